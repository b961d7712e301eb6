"""Short pickles of plain data: they are read as any pickle is."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from taskq.inspector.plain import NOT_PLAIN, plain_value
from taskq.inspector.unpickle import _Machine

VALUES = (
    (),
    (1, 255, 256, 65536, -1),
    ("a", "ü" * 20, "\udc80"),
    (None, True, False, 1.5, float("inf")),
    ((1, (2, (3,))), (1, 2, 3, 4)),
    "text",
    7,
)
pytestmark = pytest.mark.one_python


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("value", VALUES)
def test_plain_values_are_read(value: Any, protocol: int) -> None:
    """Given nested tuples of plain values, then they are returned with their types."""
    assert repr(plain_value(pickle.dumps(value, protocol))) == repr(value)


@pytest.mark.parametrize("value", [[1], {"a": 1}, ("x",) * 2, 1 << 40, b"bytes", "x" * 300, {1}, complex(1), tuple(range(5000))])
def test_others_are_left_to_the_reader_of_all_pickles(value: Any) -> None:
    """Given other values, shared ones or long ones, then they are not read here."""
    shared = (value, value) if isinstance(value, tuple) else value
    assert plain_value(pickle.dumps(shared)) is NOT_PLAIN
    assert plain_value(pickle.dumps((1,), 2)) is NOT_PLAIN
    assert plain_value(b"") is NOT_PLAIN


def test_damaged_bytes_are_read_alike() -> None:
    """Given pickles with wrong bytes, if one is read here, then the reader of all pickles returns the same."""
    random.seed(5)
    read = 0
    for _ in range(3000):
        data = bytearray(pickle.dumps(random.choice(VALUES)))
        for _ in range(random.randint(0, 2)):
            data[random.randrange(len(data))] = random.randrange(256)
        value = plain_value(bytes(data))
        if value is not NOT_PLAIN:
            read += 1
            assert repr(value) == repr(_Machine().run(bytes(data)))
    assert read > 1000
