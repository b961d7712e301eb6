"""Tracebacks as an application's developer reads them: from the first line of the application."""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Iterator
from itertools import groupby
from types import TracebackType
from typing import NamedTuple

from taskq.errors import TaskqError

__all__ = ["formatted", "from_application", "is_of_application"]

#: The packages whose frames call a job: the worker, and the event loop below it.
_CALLERS = ("taskq.worker.", "taskq.jobs.", "taskq.testing", "asyncio.")
#: The packages that store a value.
_SERIALIZERS = ("taskq", "cloudpickle", "pickle", "msgspec", "copyreg")
#: Exceptions with more text than their class and message: a line of code, a suggestion, other exceptions.
_LONG = (SyntaxError, NameError, AttributeError, ImportError, BaseExceptionGroup)
#: The lines between chained exceptions, and the number of equal frames that are shown, as in the module `traceback`.
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_REPEATED = 3
#: Limits of the cache: frames, and characters of one frame.
_FRAMES, _FRAME = 1000, 4000


class _Frame(NamedTuple):
    """The text of one frame, and the lines of its file as they were then."""

    source: list[str]
    place: tuple[str, int, str] | None
    text: str


#: By all that the text depends on, besides the source. A code object is not part of it: those of reloaded modules would never be freed, and
#: two that differ in their file only are equal.
_frames: dict[tuple[object, ...], _Frame] = {}


def from_application(error: BaseException) -> TracebackType | None:
    """Return the traceback of an exception without the frames that called the job.

    If there are no others, return all of it; but None if taskq has raised the exception to explain a mistake, so that only its text helps.
    """
    rest = error.__traceback__
    while rest is not None and str(rest.tb_frame.f_globals.get("__name__")).startswith(_CALLERS):
        rest = rest.tb_next
    return rest or (None if isinstance(error, TaskqError) else error.__traceback__)


def is_of_application(error: BaseException) -> bool:
    """Return True if the application's code has raised an error of a serializer, such as that of a `__reduce__`."""
    rest = error.__traceback__
    while rest is not None:
        if str(rest.tb_frame.f_globals.get("__name__")).partition(".")[0] not in _SERIALIZERS:
            return True
        rest = rest.tb_next
    return False


def formatted(error: BaseException) -> str:
    """Return the text of an exception: that of `traceback.format_exception`, without the frames that called the job.

    Python takes up to 100 µs for a frame, because it parses the code to place the carets. During an outage, the same frames fail many
    times, so their texts are cached.
    """
    start = from_application(error)
    text = None if hasattr(sys, "tracebacklimit") else _chain(error, start)
    return "".join(traceback.format_exception(type(error), error, start)) if text is None else text


def _chain(error: BaseException, start: TracebackType | None) -> str | None:
    """Return the text of an exception and of those that led to it. None if one of them needs more than its class and message."""
    parts: list[str] = []
    seen: set[int] = set()
    sources: dict[str, list[str]] = {}
    one: BaseException | None = error
    while one is not None:
        seen.add(id(one))
        last = _last_line(one)
        if last is None:
            return None
        link, earlier = _earlier(one, seen)
        parts.append(f"{link}{_stack(start, sources)}{last}")
        if (one := earlier) is not None:
            start = one.__traceback__
    return "".join(reversed(parts))


def _last_line(error: BaseException) -> str | None:
    cls = type(error)
    try:
        if isinstance(error, _LONG) or getattr(error, "__notes__", None) is not None or not isinstance(cls.__module__, str):
            return None
    except Exception:  # a property of the application
        return None
    try:
        text = str(error)
    except BaseException:  # as the module `traceback` does
        text = "<exception str() failed>"
    if type(text) is not str:  # a subclass may define another format
        return None
    name = cls.__qualname__ if cls.__module__ in ("__main__", "builtins") else f"{cls.__module__}.{cls.__qualname__}"
    return f"{name}: {text}\n" if text else f"{name}\n"


def _earlier(error: BaseException, seen: set[int]) -> tuple[str, BaseException | None]:
    """Return the exception that led to another one, and the line between them."""
    if (cause := error.__cause__) is not None and id(cause) not in seen:
        return _CAUSE, cause
    if (context := error.__context__) is not None and not error.__suppress_context__ and id(context) not in seen:
        return _CONTEXT, context
    return "", None


def _stack(start: TracebackType | None, sources: dict[str, list[str]]) -> str:
    if start is None:
        return ""
    lines = ["Traceback (most recent call last):\n"]
    for _, group in groupby([_frame(entry, sources) for entry in _entries(start)], key=lambda frame: frame.place or object()):
        texts = [frame.text for frame in group]
        lines += texts[:_REPEATED]
        if (more := len(texts) - _REPEATED) > 0:
            lines.append(f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]\n")
    return "".join(lines)


def _entries(start: TracebackType) -> Iterator[TracebackType]:
    entry: TracebackType | None = start
    while entry is not None:
        yield entry
        entry = entry.tb_next


def _frame(entry: TracebackType, sources: dict[str, list[str]]) -> _Frame:
    code = entry.tb_frame.f_code
    file = code.co_filename
    source = sources.get(file)
    if source is None:
        linecache.lazycache(file, entry.tb_frame.f_globals)
        linecache.checkcache(file)
        source = sources[file] = linecache.getlines(file)
    key = file, code.co_name, code.co_firstlineno, code.co_linetable, entry.tb_lasti, entry.tb_lineno
    known = _frames.get(key)
    # The same list as long as the file has not changed. A file that can't be read has a new, empty list each time.
    if known is not None and (known.source is source or not (known.source or source)):
        return known
    stack = traceback.extract_tb(entry, limit=1)
    line = stack[0].lineno
    found = _Frame(source, None if line is None else (file, line, code.co_name), stack.format_frame_summary(stack[0]))
    if len(found.text) <= _FRAME:
        if len(_frames) >= _FRAMES:
            _frames.clear()
        _frames[key] = found
    return found
