"""Read durations as people write them: "30s", "5m", "1h30m", "500ms", or a plain number of seconds."""

from __future__ import annotations

import math
import re

__all__ = ["seconds_from"]

#: From long to short: the parts of one duration come in this order.
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(ms|[dhms])\s*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
#: The longest text that can be a duration.
_LONGEST = 100


def seconds_from(text: str) -> float:
    """Return the seconds of a duration.

    Raises:
        ValueError: the text is not a duration; the error names the forms.
    """
    written = text.strip()
    if _NUMBER.fullmatch(written) and math.isfinite(float(written)):
        return float(written)
    total, place, units = 0.0, 0, list(_UNITS)
    while place < len(written) <= _LONGEST:
        part = _PART.match(written, place)
        if part is None or part[2] not in units:
            break
        total += float(part[1]) * _UNITS[part[2]]
        units = units[units.index(part[2]) + 1 :]
        place = part.end()
    if not place or place < len(written):
        raise ValueError("not a duration: use d, h, m, s or ms, as in 30s, 5m, 1h30m or 500ms, or a number of seconds")
    return round(total, 9)
