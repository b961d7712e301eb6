"""Do the results add up? Every file exactly once, and the same numbers when it is read again without a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from taskq.tools.demo.counting import Counted, count
from taskq.tools.demo.files import File
from taskq.tools.demo.results import Tally

__all__ = ["Check", "check"]

#: The most bytes to read again: all of a typical folder, and a part of a very large one.
BUDGET = 256 << 20
_SHOWN = 3


class Check(NamedTuple):
    """The outcome of the check."""

    problems: list[str]
    #: Files read again, and files that have changed since they were found.
    read_again: int
    changed: int


def check(files: Sequence[File], tally: Tally, on_progress: Callable[[int, int], None]) -> Check:
    """Compare the results with the files.

    Args:
        files: what was pushed, one message each.
        tally: the results.
        on_progress: called with the number of files read again, and their total.
    """
    expected = {file.path for file in files}
    problems = [
        *_complaint("not counted", (file.path for file in files if file.path not in tally.by_path)),
        *_complaint("counted more than once", tally.again),
        *_complaint("counted but never pushed", (path for path in tally.by_path if path not in expected)),
    ]
    read_again, changed, different = _read_again(_sample(files), tally, on_progress)
    problems += _complaint("counted with another result than by reading it directly", different)
    return Check(problems, read_again, changed)


def _read_again(sample: Sequence[File], tally: Tally, on_progress: Callable[[int, int], None]) -> tuple[int, int, list[str]]:
    """Return how many files were read again, how many have changed, and those with another result."""
    same, changed, different = 0, 0, []
    for number, file in enumerate(sample):
        on_progress(number, len(sample))
        result = tally.by_path.get(file.path)
        if result is None or result.skipped:
            continue
        again = _count(file)
        if again == result.counted:
            same += 1
        elif again is None or not file.is_unchanged():
            changed += 1
        else:
            different.append(file.path)
    return same + len(different), changed, different


def _count(file: File) -> Counted | None:
    try:
        return count(file.path)
    except OSError:
        return None


def _sample(files: Sequence[File]) -> Sequence[File]:
    """Return all files, or of very much data an even choice of about the budget."""
    total = sum(file.size for file in files)
    step = max(1, -(-total // BUDGET))
    return files[::step]


def _complaint(what: str, paths: Iterable[str]) -> list[str]:
    found = sorted(paths)
    if not found:
        return []
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return [f"{len(found):,} {'file was' if len(found) == 1 else 'files were'} {what}: {', '.join(found[:_SHOWN])}{more}"]
