"""Log records: as lines of text or JSON, written to a file, a pipe or a terminal."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import cache

import msgspec

from taskq.logs.job_filter import FIELDS
from taskq.stdio.output import Output
from taskq.tracebacks import from_application

__all__ = ["JsonFormatter", "OutputHandler", "TextFormatter", "count_of", "escape_controls", "log_error", "lost_lines"]

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_encode = msgspec.json.Encoder(enc_hook=repr).encode
#: The attributes that logging sets on each record. Any other comes from `extra`.
_OWN = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime"})


@cache
def _zone() -> tzinfo | None:
    """Return the offset from UTC at the first call. Forked processes inherit it, even if the app sets another time zone in them."""
    return datetime.now().astimezone().tzinfo


def escape_controls(text: str) -> str:
    """Return a text in which control characters can't control the terminal of a reader. Line ends and tabs are kept."""
    return text.translate(_ESCAPES)


class TextFormatter(logging.Formatter):
    """Time with its offset from UTC, level, process, text. A traceback follows on separate lines.

    The offset is that of the supervisor at its start, for all processes of a worker.

    Control characters are escaped, so that the arguments and errors of a job can't control the terminal of a reader.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s [%(process)d] %(message)s")
        self._zone = _zone()

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return datetime.fromtimestamp(record.created, self._zone).isoformat(" ", "milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        return escape_controls(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, process and message, and if there are any, traceback, stack and `extra` fields."""

    #: JSON is UTF-8, also where the locale isn't: the escapes of another encoding would not be JSON.
    encoding = "utf-8"

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": _message_of(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["traceback"] = record.exc_text or self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        for name, value in record.__dict__.items():
            if name not in _OWN and not (name in FIELDS and value == ""):
                entry[f"{name}_" if name in entry else name] = value
        try:
            return _encode(entry).decode()
        except Exception:  # a lone surrogate, a cycle, a __repr__ that raises: only that value is written as text
            return _encode({_escaped(name): _encodable(value) for name, value in entry.items()}).decode()


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # one line instead of the traceback that logging prints
        text = f"{_text(record.msg)} % {_text(record.args)}"
        return f"{text} can't be formatted: {type(error).__name__}: {_text(error, str)} ({record.pathname}:{record.lineno})"


def _encodable(value: object) -> object:
    try:
        _encode(value)
    except Exception:
        return _escaped(value if isinstance(value, str) else _text(value))
    return value


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _text(value: object, as_text: Callable[[object], str] = repr) -> str:
    try:
        return as_text(value)
    except Exception as error:
        return f"<{type(value).__name__}: its {as_text.__name__}() raised {type(error).__name__}>"


class OutputHandler(logging.Handler):
    """Writes records to a file, a pipe or a terminal. Lines that can't be written are counted."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__()
        self._encoding = stream.encoding
        self._output = Output(stream.fileno())
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, and before it the number of lost lines."""
        try:
            if self._lost and self._write(lost_lines(self._lost)):
                self._lost = 0
            if self._lost or not self._write(record):
                self._lost += 1
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self._output.close()
        super().close()

    def _write(self, record: logging.LogRecord) -> bool:
        encoding = getattr(self.formatter, "encoding", self._encoding)
        return self._output.write(f"{self.format(record)}\n".encode(encoding, "backslashreplace"))


def lost_lines(number: int) -> logging.LogRecord:
    """Return a record with the number of lost lines."""
    text = "%s lost: the log was not read, or could not be written"
    return logging.LogRecord("taskq", logging.WARNING, __file__, 0, text, (count_of(number, "log line"),), None)


def log_error(logger: logging.Logger, text: str, args: tuple[object, ...], error: BaseException, traceback: str, **extra: object) -> None:
    """Log an error with its exception, by which error trackers group it.

    Args:
        logger: the logger.
        text: the message, with a placeholder for each of `args`.
        args: its arguments.
        error: the exception.
        traceback: its text, cut to a limit, which every formatter then uses instead of formatting the exception once more.
        extra: further attributes of the record.
    """
    if logger.isEnabledFor(logging.ERROR):
        file, line, function, _ = logger.findCaller(stacklevel=2)
        exc_info = type(error), error, from_application(error)
        record = logger.makeRecord(logger.name, logging.ERROR, file, line, text, args, exc_info, function)
        record.exc_text = traceback.rstrip()
        # Not by `makeRecord`: it raises if the app's own record factory has set an attribute of that name.
        record.__dict__.update(extra)
        logger.handle(record)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular or plural: "1 message", "3 processes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
