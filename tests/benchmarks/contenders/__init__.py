"""The same two jobs, written for each library that is measured; run in the environment of that library.

Each file is imported by its own name, from this folder: `taskq` and `tests` are not installed beside the peers. It has the jobs

- `job(number)`: the no-op of the measurement; it counts its run (see marks.py),
- `note(number)`: writes down when it started,

and the functions `push(number)` and `push_note(number)`, coroutines where the library's own are. `push_many(numbers)` and
`push_later(number, seconds)` are there where they are measured; `opened()` opens what must be open.
"""
