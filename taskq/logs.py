"""Logging of the command line: one record per line, as text or JSON, on standard error."""

from __future__ import annotations

import logging
import sys
import time

import msgspec

__all__ = ["JsonFormatter", "TextFormatter", "count_of", "set_up_logging"]

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_encode = msgspec.json.Encoder(enc_hook=repr).encode


class TextFormatter(logging.Formatter):
    """Time, level, process, text. A traceback follows on separate lines.

    Control characters are escaped, so that the arguments and errors of a job can't control the terminal of a reader.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-7s [%(process)d] %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).translate(_ESCAPES)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, process, message, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return _encode(entry).decode()


def set_up_logging(level: str, form: str) -> None:
    """Send every record of that level and above to standard error.

    Handlers installed by the import of the application are replaced: the worker decides where its log goes.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular or plural: "1 message", "3 processes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
