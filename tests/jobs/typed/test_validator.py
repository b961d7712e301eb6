"""Which jobs are validated, and what they return."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from taskq import Queue
from taskq.errors import ArgumentsError, JobDefinitionError, ResultError
from taskq.worker.execute.results import CannotStore, ResultPacker
from tests.jobs.typed.conftest import send
from tests.jobs.typed.models import Item, Order, Place, Plan

pytestmark = pytest.mark.one_python


class Connection:
    """A class that only a pickle can carry."""


def _validator(queue: Queue, function: Any, **options: Any) -> Any:
    return queue.outbox.packer.validator(queue.job(name="f", result_ttl=9, **options)(function))


def test_which_jobs_are_validated() -> None:
    """Given each serializer and choice, then json and msgpack are validated by default, and pickle only with validate=True."""
    queue = Queue("redis://127.0.0.1:1", channels={"default": {}})

    def f(a: int) -> None: ...

    def is_on(**options: Any) -> bool:
        return _validator(queue, f, **options) is not None

    assert [is_on(serializer=name) for name in ("json", "msgpack", "pickle")] == [True, True, False]
    assert [is_on(serializer=name, validate=False) for name in ("json", "msgpack", "pickle")] == [False] * 3
    assert is_on(validate=True)
    with pytest.raises(JobDefinitionError, match="validate must be True or False; got 'strict'"):
        queue.job(name="f", validate="strict")(f)  # type: ignore[call-overload]
    job = queue.job(name="g", serializer="json", validate=False)(f)
    assert send(job, "text") == (("text",), {})


def test_pickle_checks_any_class_with_isinstance() -> None:
    """Given validate=True with pickle, then any class can be a hint, and objects arrive as they were pushed."""
    queue = Queue("redis://127.0.0.1:1", channels={"default": {}})

    @queue.job(name="f", validate=True)
    def f(connection: Connection, order: Order, day: dt.date | None = None) -> None: ...

    args, _ = send(f, Connection(), Order([], {"x": Decimal(1)}), dt.date(2026, 1, 1))
    assert type(args[0]) is Connection
    assert args[1:] == (Order([], {"x": Decimal(1)}), dt.date(2026, 1, 1))
    with pytest.raises(ArgumentsError, match="wrong argument of f: connection: expected Connection, got int"):
        send(f, 5, Order([]))


def test_a_program_that_uses_pickle_loads_no_validator() -> None:
    """Given a push with pickle, then no module of the validators is imported."""
    code = (
        "import sys, taskq; q = taskq.Queue('redis://127.0.0.1:1', channels={'default': {}})\n"
        "q.outbox._pack(q.job(name='f')(lambda: 1).bind())\n"
        "sys.exit(any(name.startswith('taskq.jobs.typed.validator') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Order, Order([Item(Decimal("1.5"))])),
        (Decimal | None, None),
        (dict[str, Place], {"a": Place(1, dt.date(2026, 1, 1))}),
        (Plan, Plan.PAID),
        (Any, [1]),
        (Connection, {"x": 1}),
    ],
)
def test_results_are_rebuilt(data_queue: Queue, hint: Any, value: Any) -> None:
    """Given return hints, then a result is stored as data and rebuilt from it; with one that can't be checked it stays data."""

    def f() -> Any: ...

    f.__annotations__["return"] = hint
    validator = _validator(data_queue, f)
    results, _ = validator.serializers()
    packer = ResultPacker(None, 1000)
    data = results.load(packer.value(results, value))
    assert validator.result(data) == value
    assert type(validator.result(data)) is type(value)


def test_a_wrong_result_fails(data_queue: Queue) -> None:
    """Given a value that doesn't fit the return hint, then it can't be stored; data that doesn't fit raises an error in the reader."""

    def f() -> Order: ...  # type: ignore[empty-body]

    def items() -> Iterator[Decimal]:
        yield Decimal(1)

    validator = _validator(data_queue, f)
    streamed = data_queue.outbox.packer.validator(data_queue.job(name="items", result_ttl=9)(items))
    assert streamed is not None
    packer = ResultPacker(None, 1000)
    with pytest.raises(CannotStore, match="doesn't fit its return hint: result: expected dict, got None"):
        packer.value(validator.serializers()[0], None)
    with pytest.raises(CannotStore, match="doesn't fit its return hint: item: invalid decimal string"):
        packer.value(streamed.serializers()[1], "x")
    with pytest.raises(ResultError, match=r"doesn't fit the return hint of f: result\.items: required, but missing"):
        validator.result({})
    assert streamed.item("1.5") == Decimal("1.5")
