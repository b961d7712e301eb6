"""Arguments to bytes and back: what is pushed is what the job gets, or the push is refused."""

from __future__ import annotations

import datetime
import decimal
import math
import os
import pickle
import re
import socket
import subprocess
import sys
import textwrap
import threading
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import ConfigError, MalformedMessage, PushError, SerializationError
from taskq.wire.codec import SERIALIZERS, Serializer, check_serializer, dump_arguments, load_arguments, serializer_of_code

ROOT = Path(__file__).resolve().parents[2]
text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
msgpack_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | text
    | st.binary()
    | st.datetimes(timezones=st.just(datetime.UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text | st.integers(-9, 9), inner, max_size=3),
    max_leaves=8,
)
pickle_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)
keywords = st.text(min_size=1, max_size=9).filter(str.isidentifier)


def _there_and_back(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    serializer = check_serializer(name)
    return load_arguments(serializer_of_code(serializer.code), dump_arguments(serializer, args, kwargs, "x:y"))


@given(st.lists(pickle_values, max_size=4), st.dictionaries(keywords, pickle_values, max_size=3))
def test_pickle_brings_back_what_was_pushed(args: list[Any], kwargs: dict[str, Any]) -> None:
    """Given any arguments, by place and by keyword, when they travel as a pickle, then they arrive equal."""
    assert _there_and_back("pickle", tuple(args), kwargs) == (tuple(args), kwargs)


@given(st.lists(json_values, max_size=4), st.dictionaries(keywords, json_values, max_size=3))
def test_json_brings_back_plain_data(args: list[Any], kwargs: dict[str, Any]) -> None:
    """Given plain data, when it travels as JSON, then it arrives equal."""
    assert _there_and_back("json", tuple(args), kwargs) == (tuple(args), kwargs)


@given(st.lists(msgpack_values, max_size=4), st.dictionaries(keywords, msgpack_values, max_size=3))
def test_msgpack_brings_back_plain_data(args: list[Any], kwargs: dict[str, Any]) -> None:
    """Given plain data and bytes, when they travel as msgpack, then they arrive equal."""
    assert _there_and_back("msgpack", tuple(args), kwargs) == (tuple(args), kwargs)


@pytest.mark.parametrize("name", SERIALIZERS)
def test_arguments_that_look_like_the_storage_form(name: str) -> None:
    """Given one argument that looks like [args, kwargs] itself, then it isn't taken for that."""
    calls: list[tuple[Any, Any]] = [(([1], {"a": 2}), {}), (([[1], {"a": 2}],), {}), ((), {}), ((), {"a": [[], {}]})]
    for args, kwargs in calls:
        assert _there_and_back(name, args, kwargs) == (args, kwargs)


class Colour(IntEnum):
    """An enum that is a number."""

    RED = 1


class Size(Enum):
    """An enum that is none."""

    BIG = "big"


class Plan(StrEnum):
    """An enum that is text."""

    FREE = "free"


class Pair(NamedTuple):
    """A tuple whose fields have names."""

    left: int


class Ratio(float):
    """A number of a class of its own, like those of numpy."""


class Key(str):
    """Text of a class of its own."""


@dataclass
class Point:
    """A class of an importable module."""

    x: int


BERLIN = datetime.datetime(2026, 7, 1, 0, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
#: Each is an instance of a plain type, and would be restored as that type.
SUBCLASSES = [
    Colour.RED,
    Plan.FREE,
    Ratio(1.5),
    Key("a"),
    Pair(1),
    OrderedDict(a=1),
    Counter("a"),
    defaultdict(list),
    {Plan.FREE: 1},
    {Key("a"): 1},
]
NO_JSON = [
    *SUBCLASSES,
    BERLIN,
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    math.nan,
    math.inf,
    -math.inf,
    b"bytes",
    bytearray(b"x"),
    {1, 2},
    frozenset([1]),
    {1: "a"},
    {None: 1},
    datetime.datetime(2026, 1, 1),  # noqa: DTZ001  (a datetime without a zone is what is tested)
    datetime.date(2026, 1, 1),
    datetime.timedelta(1),
    decimal.Decimal("1.5"),
    uuid.UUID(int=5),
    Point(3),
    Size.BIG,
    "\ud800",
    object(),
    len,
    Point,
]


@pytest.mark.parametrize("value", NO_JSON, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [{"deep": (1, value)}]], ids=["bare", "deep"])
def test_what_would_arrive_changed_is_refused_as_json(value: Any, wrap: Any) -> None:
    """Given values that JSON would restore as another type, at any depth, then the push is rejected: the job must get equal arguments."""
    with pytest.raises(SerializationError, match=r"argument 'when' of shop:mail .* can't be stored with json.*@queue\.job\(serializer="):
        dump_arguments(check_serializer("json"), (1,), {"when": wrap(value)}, "shop:mail")


NO_MSGPACK = [
    *SUBCLASSES,
    BERLIN,
    datetime.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
    {Colour.RED: 1},
    {None: 1},
    2**64,
    {1, 2},
    datetime.datetime(2026, 1, 1),  # noqa: DTZ001
    datetime.date(2026, 1, 1),
    datetime.timedelta(1),
    decimal.Decimal("1.5"),
    uuid.UUID(int=5),
    Point(3),
    Size.BIG,
    "\ud800",
    object(),
]


@pytest.mark.parametrize("value", NO_MSGPACK, ids=lambda value: type(value).__name__)
def test_what_would_arrive_changed_is_refused_as_msgpack(value: Any) -> None:
    """Given what msgpack would turn into something else, then the push is refused."""
    with pytest.raises(SerializationError, match=r"argument 'when' of shop:mail .* can't be stored with msgpack"):
        dump_arguments(check_serializer("msgpack"), (1,), {"when": [value]}, "shop:mail")


def test_what_arrives_equal_is_taken() -> None:
    """Given tuples, and for msgpack moments in UTC, then they arrive as what they equal."""
    assert _there_and_back("json", ((1, 2), {"a": True}), {}) == (([1, 2], {"a": True}), {})
    moment = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
    assert _there_and_back("msgpack", (moment, math.inf, b"x", {1: 2}), {}) == ((moment, math.inf, b"x", {1: 2}), {})


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("json", Plan.FREE, "Plan is an enum, and its members would be restored as plain values: pass member.value"),
        ("json", Counter("a"), "Counter is not plain data: it would be restored as a plain dict"),
        ("json", Pair(1), "Pair is not plain data: it would be restored as a plain list"),
        ("json", b"x", "bytes is not plain data: it would be restored as another type"),
        ("json", BERLIN, "datetime is not plain data: it would be restored as another type"),
        ("msgpack", BERLIN, "'Europe/Berlin') would be restored as one in UTC: pass value.astimezone(datetime.UTC)"),
        ("msgpack", datetime.datetime(2026, 1, 1), "a datetime with no time zone would be restored as one in UTC"),  # noqa: DTZ001
    ],
)
def test_a_refused_value_is_described(name: str, value: Any, text: str) -> None:
    """Given a value that would be changed, then the error names its type, what would become of it, and what to pass instead."""
    with pytest.raises(SerializationError, match=re.escape(text)):
        dump_arguments(check_serializer(name), ([value],), {}, "shop:mail")


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class _Array:
    """A writable array of bytes, pickled as numpy does."""

    def __init__(self, data: Any) -> None:
        self.data = memoryview(data)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _Array, (pickle.PickleBuffer(self.data),)


def test_a_large_array_arrives_writable() -> None:
    """Given a writable array of 16 MiB, then it arrives equal and writable; a read-only one stays so."""
    (array, fixed), _ = _there_and_back("pickle", (_Array(bytearray(16 << 20)), _Array(b"abc")), {})
    assert (array.data.nbytes, array.data.readonly, fixed.data.readonly) == (16 << 20, False, True)


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("name", SERIALIZERS)
def test_arguments_nested_too_deeply_are_refused(name: str) -> None:
    """Given a list nested a hundred thousand times, then the push is refused with an error of ours."""
    with pytest.raises(SerializationError, match=r"RecursionError|recursion"):
        dump_arguments(check_serializer(name), (_nested(100_000),), {}, "x:y", ("tree",))


@pytest.mark.parametrize("name", ["json", "msgpack"])
def test_a_list_that_holds_itself_is_refused(name: str) -> None:
    """Given a list within itself, then only a pickle can carry it."""
    with pytest.raises(SerializationError):
        dump_arguments(check_serializer(name), (_endless(),), {}, "x:y")
    (found,), _ = _there_and_back("pickle", (_endless(),), {})
    assert found[0] is found


class _Sulky:
    """An object whose pickling fails with an error of its own."""

    def __reduce__(self) -> Any:
        raise ValueError("I stay here")


def _with_lock() -> Any:
    lock = threading.Lock()
    return lambda: lock


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (threading.Lock, "lock"),
        (socket.socket, "socket"),
        (lambda: (n for n in (1,)), "generator"),
        (lambda: os.fdopen(os.dup(0)), "TextIOWrapper"),
        (_Sulky, "I stay here"),
        (_with_lock, "lock"),
    ],
)
def test_an_unpicklable_argument_is_named(make: Any, why: str) -> None:
    """Given an argument that can't be pickled, then the error contains its name, the job, the reason and the remedy."""
    value = make()
    try:
        with pytest.raises(SerializationError) as by_place:
            dump_arguments(check_serializer("pickle"), ("fine", value), {}, "shop:mail", ("to", "attachment"))
        with pytest.raises(SerializationError) as by_keyword:
            dump_arguments(check_serializer("pickle"), (), {"fine": 1, "extra": value}, "shop:mail", ("to", "attachment"))
        with pytest.raises(SerializationError) as beyond:
            dump_arguments(check_serializer("pickle"), (1, 2, value), {}, "shop:mail", ("to",))
    finally:
        if hasattr(value, "close"):
            value.close()
    for caught, name in ((by_place, "'attachment'"), (by_keyword, "'extra'"), (beyond, "3")):
        text = str(caught.value)
        assert f"argument {name} of shop:mail" in text
        assert why in text
        assert "Pass plain data" in text
        assert isinstance(caught.value, PushError)
        assert caught.value.__cause__ is not None


def test_a_lambda_and_a_closure_travel_by_value() -> None:
    """Given functions that no module holds, then they arrive and run."""
    base = 40
    (function, closure), _ = _there_and_back("pickle", (lambda n: n + 1, lambda n: n + base), {})
    assert (function(1), closure(2)) == (2, 42)


def test_what_main_defines_runs_in_another_program(tmp_path: Path) -> None:
    """Given a script that stores a function, a class and an object of its own, when another program reads them, then they work there."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import sys
            from taskq.wire.codec import check_serializer, dump_arguments

            class Point:
                def __init__(self, x): self.x = x
                def double(self): return twice(self.x)

            def twice(n): return 2 * n

            data = dump_arguments(check_serializer("pickle"), (twice, Point, Point(21)), {}, "x:y")
            sys.stdout.buffer.write(data)
        """)
    )
    data = subprocess.run(
        [sys.executable, script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    ).stdout
    (twice, point_class, point), _ = load_arguments(check_serializer("pickle"), data)
    assert (twice(4), point_class(5).double(), point.double()) == (8, 10, 42)


def test_a_plain_call_doesn_t_import_cloudpickle() -> None:
    """Given arguments of plain data, then the slow import of cloudpickle isn't paid."""
    code = (
        "import sys; from taskq.wire.codec import *; dump_arguments(check_serializer('pickle'), ('a', 1), {}, 'x:y'); "
        "sys.exit('cloudpickle' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("data", ["5", "[]", "[1, 2]", "[[], []]", "[{}, {}]", "[[], {}, 1]", '{"args": []}', "null", '"ab"'])
def test_arguments_in_another_form_are_malformed(data: str) -> None:
    """Given JSON that isn't [args, kwargs], then it is a malformed message."""
    with pytest.raises(MalformedMessage, match="must be \\[args, kwargs\\]"):
        load_arguments(check_serializer("json"), data.encode())


def test_a_class_that_no_longer_exists_raises_what_pickle_raises() -> None:
    """Given a pickle of a class that can't be imported, then the error of the import names it."""
    data = b"cshop_that_is_gone\nOrder\n."
    with pytest.raises(ModuleNotFoundError, match="shop_that_is_gone"):
        load_arguments(check_serializer("pickle"), data)


@pytest.mark.parametrize("name", ["", "yaml", "PICKLE", None, 5, [], {}])
def test_an_unknown_serializer_is_refused(name: Any) -> None:
    """Given what names no serializer, then the error lists those there are."""
    with pytest.raises(ConfigError, match="pickle, json, msgpack"):
        check_serializer(name)
    with pytest.raises(MalformedMessage, match="serializer code 9"):
        serializer_of_code(9)


def test_codes_never_change() -> None:
    """Given the codes that stand in stored messages, then each keeps its meaning."""
    codes: dict[str, Serializer] = {name: check_serializer(name) for name in SERIALIZERS}
    assert {name: one.code for name, one in codes.items()} == {"pickle": 0, "json": 1, "msgpack": 2}
