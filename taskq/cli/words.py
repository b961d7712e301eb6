"""Numbers, durations and foreign text as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskq.wire.progress import Progress

__all__ = ["clean", "count", "duration", "moment", "progress_text", "size"]

_STEPS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def clean(text: str, *, lines: bool = False) -> str:
    """Return text with unprintable characters escaped; with `lines`, line ends are kept.

    Arguments and errors are untrusted: an escape sequence in them could rewrite the operator's screen.
    """
    if text.isprintable():
        return text
    if lines:
        return "\n".join(clean(line.replace("\t", "    ")) for line in text.split("\n"))
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def duration(seconds: float | None) -> str:
    """Return a duration with its two largest units: "350ms", "12s", "2m 5s", "3d 4h"; "" for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    left = int(seconds)
    parts: list[str] = []
    for step, unit in _STEPS:
        if left >= step or parts:
            parts.append(f"{left // step}{unit}")
            left %= step
    return " ".join(part for part in parts[:2] if not part.startswith("0"))


def moment(milliseconds: float) -> str:
    """Return a moment, given in milliseconds since the epoch, in local time."""
    from datetime import datetime

    try:
        return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds:.0f} ms"


def size(number: int) -> str:
    """Return a number of bytes: "812 B", "1.5 MiB"."""
    value, unit = float(number), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{number} B" if unit == "B" else f"{value:.1f} {unit}"


def progress_text(progress: Progress | None) -> str:
    """Return "3 of 12 (25%) fetching", or the known part of it; "" for None."""
    if progress is None:
        return ""
    share = f" of {progress.total:g} ({progress.share:.0%})" if progress.total and progress.share is not None else ""
    return f"{progress.done:g}{share} {progress.message}".strip()


def count(number: int, word: str) -> str:
    """Return "1 message", "1,234 messages"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
