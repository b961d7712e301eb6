"""Hostile bytes: small ones that describe huge values, and strategies for damaged ones."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from taskq.wire.codec import check_serializer
from taskq.wire.message import encode, make_body, new_id

__all__ = ["BOMBS", "any_bytes", "damaged", "message_of", "pickles"]

#: A prime: the hash of a number is its remainder.
_PRIME = 2**61 - 1


def _long(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _doubled(start: bytes, times: int = 100) -> bytes:
    """Return opcodes of a tuple that contains another one twice, which contains a third one twice, and so on."""
    return start + b"2\x86" * times


#: Pickles, most of them of a few bytes.
_PICKLES: dict[str, Callable[[], bytes]] = {
    "a key whose hash takes years": lambda: b"}" + _doubled(b")") + b"Ns.",
    "a member whose hash takes years": lambda: b"\x8f(" + _doubled(b")") + b"\x90.",
    "a frozenset of a member whose hash takes years": lambda: b"(" + _doubled(b")") + b"\x91.",
    "a set made by a call": lambda: b"c__builtin__\nset\n(](" + _doubled(b")") + b"etR.",
    "a tuple whose text takes years": lambda: _doubled(b")") + b".",
    "a list that contains itself": lambda: b"]q\x00(" + b"h\x00" * 2000 + b"e.",
    "an object whose arguments take years": lambda: b"cx\ny\n" + _doubled(b")") + b"R.",
    "a place in the memo that takes 64 GiB": lambda: b"Nr\xff\xff\xff\xff.",
    "a byte array of a terabyte": lambda: b"\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    "a number of a million digits": lambda: b"L" + b"9" * 1_000_000 + b"L\n.",
    "a decimal number of a huge int": lambda: b"cdecimal\nDecimal\n(\x8b" + struct.pack("<i", 4_000_000) + b"\x7f" * 4_000_000 + b"tR.",
    "keys that collide": lambda: b"}(" + b"".join(_long(number * _PRIME) + b"N" for number in range(60_000)) + b"u.",
    "a list, copied again and again": lambda: (
        b"](" + b"K\x01" * 50_000 + b"eq\x00c__builtin__\nset\nq\x01" + b"(h\x00tR0h\x01" * 50_000 + b"."
    ),
    "a state, merged again and again": lambda: (
        b"}(" + b"".join(b"J" + struct.pack("<i", key) + b"N" for key in range(50_000)) + b"uq\x000cx\ny\n)R" + b"h\x00b" * 50_000 + b"."
    ),
    "a call of a call of a call": lambda: b"cx\ny\n" + b"(NNNNNNNNtR" * 40_000 + b".",
    "a million lists in a list": lambda: b"](" + b"]" * 1_000_000 + b"e.",
    "brackets without an end": lambda: b"(" * 1_000_000 + b".",
    "a deep list": lambda: b"]" * 200_000 + b"a" * 199_999 + b".",
    "a deep tuple as a key": lambda: b"})" + b"\x85" * 200_000 + b"Ns.",
    "a megabyte of text, a hundred thousand times": lambda: (
        b"X" + struct.pack("<I", 1 << 20) + b"x" * (1 << 20) + b"q\x000](" + b"h\x00" * 100_000 + b"e."
    ),
    "names of a megabyte": lambda: b"cx\n" + b"y" * (1 << 20) + b"\nq\x000](" + b"h\x00" * 100_000 + b"e.",
    "a key whose text takes years, ten thousand times": lambda: (
        b"](" + b"cx\ny\n" + _doubled(b")") + b"Rq\x000" + b"}h\x00Ns" * 10_000 + b"e."
    ),
}


def message_of(serializer: str, arguments: bytes) -> bytes:
    """Return a message with these arguments."""
    return encode(new_id(), make_body("hostile:job", arguments, check_serializer(serializer).code))


def _colliding_map() -> bytes:
    """Return a msgpack map of keys, tuples of two numbers, whose hashes are equal."""
    prime1, prime2, prime5, mask = 11400714785074694791, 14029467366897019727, 2870177450012600261, (1 << 64) - 1
    inverse = pow(prime2, -1, 1 << 64)

    def rotated(value: int, by: int) -> int:
        return ((value << by) | (value >> (64 - by))) & mask

    pairs = []
    for number in range(1, 200_000):
        # The sum before the last step of a tuple's hash is 0 for all of them.
        second = (-rotated((prime5 + number * prime2) & mask, 31) * prime1 * inverse) & mask
        if second < _PRIME:
            pairs.append(b"\x92" + msgspec.msgpack.encode(number) + msgspec.msgpack.encode(second) + b"\xc0")
    return b"\xdf" + struct.pack(">I", len(pairs)) + b"".join(pairs)


def _own(body: bytes) -> bytes:
    return encode(new_id(), b"\x94\xa3x:y\xc4\x00\x00\x81\xa1a" + body)


def _record(fields: tuple[Any, ...]) -> bytes:
    data = msgspec.msgpack.encode(fields)
    return struct.pack(">I", len(data)) + data


_DEEP = b"[" * 200_000 + b"]" * 200_000
_SHORT, _LONG = ("failed", 1, "w", 1, "e", ""), ("failed", 1 << 40, "w" * 5_000_000, 1, "e" * 5_000_000, "t" * 5_000_000)

#: Messages that describe huge values or endless work.
BOMBS: dict[str, Callable[[], bytes]] = {
    **{name: lambda pickled=pickled: message_of("pickle", b"\x80\x05" + pickled()) for name, pickled in _PICKLES.items()},  # type: ignore[misc]
    "deep arrays of another client": lambda: b'{"job":"x:y","args":' + _DEEP + b"}",
    "deep arrays in JSON arguments": lambda: message_of("json", _DEEP),
    "deep arrays in msgpack arguments": lambda: message_of("msgpack", b"\x91" * 200_000 + b"\x90"),
    "six million lists of another client": lambda: b'{"job":"x:y","args":[' + b"[]," * 6_000_000 + b"[]]}",
    "six million lists in JSON arguments": lambda: message_of("json", b"[[" + b"[]," * 6_000_000 + b"[]],{}]"),
    "colliding keys in msgpack arguments": lambda: message_of("msgpack", b"\x92\x90\x81\xa1a" + _colliding_map()),
    "colliding keys in the options": lambda: _own(_colliding_map()),
    "deep options": lambda: _own(b"\x91" * 200_000 + b"\x90"),
    "half a million records": lambda: message_of("json", b"[[],{}]") + _record(_SHORT) * 500_000,
    "a record of fifteen megabytes": lambda: message_of("json", b"[[],{}]") + _record(_LONG),
}


any_bytes = st.binary(max_size=300)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Return valid bytes with a few changes: cut off, cut out, repeated, or with other bytes."""
    data = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, len(data)))
        data = draw(st.sampled_from([data[:at] + data[end:], data[:end] + data[at:], data[:at] + draw(any_bytes) + data[end:], data[:at]]))
    return data


_OPCODES = [bytes([opcode]) for opcode in b"().012]}NuseabRtd\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"]
_WORDS = [b"K\x01", b"h\x00", b"q\x00", b"\x8c\x01x", b"C\x01x", b"cx\ny\n", b"c__builtin__\nset\n", b"cdatetime\ndate\n", b"G" + bytes(8)]
#: Random programs of a pickle, and real pickles.
pickles = st.lists(st.sampled_from([*_OPCODES, *_WORDS]), max_size=60).map(
    lambda words: b"\x80\x04" + b"".join(words) + b"."
) | st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3) | st.tuples(inner, inner),
).map(pickle.dumps)
