"""Read a short pickle of plain data, as the arguments of most jobs are: several times as fast as any pickle."""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["NOT_PLAIN", "plain_value"]

#: Returned for every other pickle.
NOT_PLAIN = object()
_LONGEST = 4096
_HEADERS, _FRAME = (b"\x80\x04", b"\x80\x05"), 0x95
_CONSTANTS = {ord("N"): None, 0x88: True, 0x89: False, ord(")"): ()}
_TUPLES = {0x85: 1, 0x86: 2, 0x87: 3}
_NUMBERS = {ord("K"): struct.Struct("<B"), ord("M"): struct.Struct("<H"), ord("J"): struct.Struct("<i"), ord("G"): struct.Struct(">d")}
_TEXT, _MARK, _TUPLE, _MEMOIZE, _STOP = 0x8C, ord("("), ord("t"), 0x94, ord(".")


def plain_value(data: bytes) -> Any:
    """Return the value of a pickle of nested tuples of numbers, texts, bools and None, or NOT_PLAIN."""
    if data[:2] not in _HEADERS or len(data) > _LONGEST:
        return NOT_PLAIN
    stack: list[Any] = []
    marks: list[int] = []
    try:
        at = 11 if data[2] == _FRAME else 2
        while (code := data[at]) != _STOP:
            at += 1
            if code == _TEXT:
                end = at + 1 + data[at]
                stack.append(data[at + 1 : end].decode("utf-8", "surrogatepass"))
                at = end
            elif code in _NUMBERS:
                form = _NUMBERS[code]
                stack += form.unpack_from(data, at)
                at += form.size
            elif code in _CONSTANTS:
                stack.append(_CONSTANTS[code])
            elif code in _TUPLES:
                size = _TUPLES[code]
                stack[-size:] = [tuple(stack[-size:])]
            elif code == _MARK:
                marks.append(len(stack))
            elif code == _TUPLE:
                mark = marks.pop()
                stack[mark:] = [tuple(stack[mark:])]
            elif code != _MEMOIZE:
                return NOT_PLAIN
    except (IndexError, struct.error, UnicodeDecodeError):
        return NOT_PLAIN
    return stack[0] if len(stack) == 1 and not marks and at == len(data) - 1 else NOT_PLAIN
