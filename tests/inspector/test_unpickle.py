"""Looking into pickles: everything is shown, nothing is run."""

from __future__ import annotations

import enum
import os
import pickle
import sys
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import cloudpickle
import pytest

from taskq.inspector.render import text_of
from taskq.inspector.unpickle import look_into


class Color(enum.Enum):
    RED = 1


@dataclass
class Report:
    month: int
    tags: list[str] = field(default_factory=list)


class Slotted:
    __slots__ = ("x",)

    def __init__(self) -> None:
        self.x = 1


class Runs:
    def __init__(self, call: Any, *args: Any) -> None:
        self.call = (call, args)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [4, pickle.HIGHEST_PROTOCOL])
def test_plain_values_come_back_as_they_were(protocol: int) -> None:
    """Given plain values of every kind, then looking in gives them back."""
    value = [None, True, 5, 2.5, 1j, "é\x1b", b"\x00", (1,), {"k": [1]}, {3}, frozenset({4})]
    value += [date(2024, 1, 2), datetime(2024, 1, 2, 3, tzinfo=UTC), timedelta(1), Decimal("1.50")]
    assert look_into(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Report(3, ["a"]), "<Report month=3, tags=['a']>"),
        (Slotted(), "<Slotted x=1>"),
        (Color.RED, "<Color 1>"),
        (PurePosixPath("/tmp/x"), "<PurePosixPath '/', 'tmp', 'x'>"),
        (uuid.UUID(int=7), f"<UUID {7:032x}>"),
        (OrderedDict(a=1), "<OrderedDict ('a', 1)>"),
        (deque([1, 2]), "<deque 1, 2>"),
        (Report, "<Report>"),
        ([{"r": Report(1)}], "[{'r': <Report month=1, tags=[]>}]"),
    ],
)
def test_other_objects_are_shown_by_their_name_and_content(value: object, shown: str) -> None:
    """Given an object of some class, then its class's name and what it would be made from are shown."""
    if sys.version_info >= (3, 12) and isinstance(value, PurePosixPath):
        pytest.skip("pickled in another way")
    assert text_of(look_into(pickle.dumps(value))) == shown
    if isinstance(value, Report):
        assert repr(look_into(pickle.dumps(value))) == "<Report>"  # an admin view may print it


def test_a_time_with_a_zone_is_shown() -> None:
    """Given a time whose zone is an object of another class, then both are shown."""
    text = text_of(look_into(pickle.dumps(datetime(2024, 1, 2, tzinfo=ZoneInfo("UTC")))))
    assert text.startswith("<datetime ")
    assert "'UTC'" in text


def test_functions_by_value_are_shown_without_being_made() -> None:
    """Given a closure pickled by value, then it is shown as something unknown."""
    number = 5
    assert "<_make_function" in text_of(look_into(cloudpickle.dumps(lambda: number)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    """Given pickles that run commands when they are loaded, then looking in runs nothing and imports nothing."""
    mark = tmp_path / "mark"
    for one in (Runs(os.system, f"touch {mark}"), Runs(exec, f"open({str(mark)!r}, 'w')"), Runs(__import__, "this")):
        text = text_of(look_into(pickle.dumps(one, protocol)))
        assert text.startswith("<")
    assert not mark.exists()
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x05", b"garbage", b"\x80\x05N", b"cos\nsystem\n(S'x'\nt", b"\x80\x05\x96" + b"\xff" * 8, b"\x82\x01."]
)
def test_a_damaged_pickle_is_an_error(data: bytes) -> None:
    """Given bytes that are not a whole pickle, then a ValueError is raised and nothing else."""
    with pytest.raises(ValueError, match="unreadable pickle"):
        look_into(data)
