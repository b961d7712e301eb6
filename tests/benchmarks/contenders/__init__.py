"""The same two jobs, written for each library that is measured; run in the environment of that library.

Each file is imported by its own name, from this folder: `taskq` and `tests` are not installed beside the peers. It has the jobs

- `job(number)`: the no-op of the measurement; it counts its run (see marks.py),
- `note(number)`: writes down when it started,

and the functions `push(number)` and `push_note(number)`, coroutines where the library's own are. `push_many(numbers)` is there where the
library has it, and `push_later(number, seconds)` where lateness is measured; `opened()` opens what must be open.

For each kind of job that the library has: `push_result(number)`, `push_async(number)`, `push_failing(number)` and
`push_delayed(number, seconds)`. BENCH_KIND names the kind that is measured, for what needs another configuration.
"""
