"""Objects that a script defines are restored with the reader's own classes, in both directions, if the reader has the script."""

from __future__ import annotations

import enum
import pickle
import sys
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from taskq import Queue
from taskq.inspector.render import text_of
from taskq.inspector.unpickle import look_into
from taskq.main_module import scripts
from taskq.wire.codec import CODE
from taskq.wire.pickles import dump_call, dump_pickle, load_pickle

SCRIPT = """
    import dataclasses, enum, typing

    class Plan(enum.Enum):
        FREE = "free"
        PAID = "paid"

    @dataclasses.dataclass
    class Order:
        id: int

    class Rush(Order): ...

    class Point(typing.NamedTuple):
        x: int

    class Late(Exception): ...

    class Shop:
        class Item: ...

        @queue.job
        def sell(self): return super().__repr__()

        def close(self): return CLOSED

    def callback(): return Plan

    @queue.job
    def bill(plan): ...

    CLOSED = None
"""


@pytest.fixture
def script() -> Iterator[dict[str, Any]]:
    """The globals of a script that runs as `__main__` in this process."""
    before = dict(scripts)
    yield _run(name="__main__", file="/x/shop_of_test.py")
    scripts.clear()
    scripts.update(before)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module from the same file, as a worker imports it."""
    made = ModuleType("shop_of_test")
    made.__dict__.update(_run(name="shop_of_test", file="/x/shop_of_test.py"))
    return made


def _run(*, name: str, file: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": name, "__file__": file, "queue": Queue("redis://localhost:1")}
    exec(compile(textwrap.dedent(SCRIPT), file, "exec", dont_inherit=True), found)
    return found


def _values(script: Any) -> list[Any]:
    """Objects and classes that a script defines."""
    names = ("Plan", "Order", "Rush", "Point", "Late", "Shop", "callback", "bill")
    plan, order, rush, point, late, shop, callback, bill = (script[name] for name in names)
    return [plan, plan.PAID, order(1), rush(2), point(3), type(late("x")), type(shop()), shop.Item, callback, bill]


def test_a_worker_gets_its_own_classes(script: dict[str, Any], module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given objects of a script, when a worker that has imported the script reads them, then they are of its own classes, and equal."""
    data = dump_pickle(_values(script))
    monkeypatch.setitem(sys.modules, "shop_of_test", module)
    read = load_pickle(data)
    assert read == _values(vars(module))
    assert [type(one) for one in read] == [type(one) for one in _values(vars(module))]
    assert vars(module)["Order"].__init__.__globals__ is vars(module)["Rush"].__init__.__globals__  # nothing was written over


def test_a_script_gets_its_own_classes_back(script: dict[str, Any], module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given results of a worker, when the script reads them, then they are of the script's classes, and the script isn't imported again."""
    with monkeypatch.context() as worker:
        worker.setitem(sys.modules, "shop_of_test", module)
        data = [pickle.dumps(one, 5) for one in _values(vars(module))]
    assert [load_pickle(one) for one in data] == _values(script)
    assert "shop_of_test" not in sys.modules
    assert load_pickle(dump_pickle(_values(script))) == _values(script)  # queue.work(): the script is the worker


def test_a_program_that_imports_its_script_means_the_import(
    script: dict[str, Any], module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a script whose modules import it by name, then a result is of the imported classes, as without a script."""
    monkeypatch.setitem(sys.modules, "shop_of_test", module)
    assert load_pickle(dump_pickle(module.Plan.PAID)) is module.Plan.PAID


def test_a_process_without_the_script_gets_the_value(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given objects of a script, when a process that doesn't have it reads them, then they have the same values and methods."""
    data = dump_pickle((script["Order"](1), script["callback"]))
    scripts.clear()
    order, callback = load_pickle(data)
    assert (order.id, callback().PAID.value, callback is script["callback"]) == (1, "paid", False)


def test_what_can_only_be_named_is_named(script: dict[str, Any], module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a class whose methods use what can't be pickled, then its name is sent: a worker with the script runs it, others refuse it."""
    script["CLOSED"] = script["queue"]
    data = dump_pickle(script["Shop"]())
    assert CODE not in data
    with monkeypatch.context() as bare:
        bare.delitem(scripts, "shop_of_test")
        with pytest.raises(AttributeError, match=r"^this process has not imported a module 'shop_of_test' with 'Shop'$"):
            load_pickle(data)
    monkeypatch.setitem(sys.modules, "shop_of_test", module)
    assert load_pickle(data).sell.push
    with pytest.raises(TypeError, match="cannot pickle a Queue"):
        dump_pickle((script["Shop"](), script["queue"]))


def test_queue_call_sends_the_code_of_a_function(script: dict[str, Any], module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a function of a script, then queue.call sends its code, though the worker has a function of that name; classes stay its own."""
    data = dump_call(script["callback"])
    monkeypatch.setitem(sys.modules, "shop_of_test", module)
    module.callback = None  # type: ignore[attr-defined]
    assert load_pickle(data)() is module.Plan


def test_a_spawned_process_sends_its_script_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a class of `__mp_main__`, as the script is called in a spawned process, then it isn't sent by that name."""
    main = ModuleType("__mp_main__")
    exec("class Order: ...", vars(main))
    monkeypatch.setitem(sys.modules, "__mp_main__", main)
    data = dump_pickle(main.Order())
    monkeypatch.delitem(sys.modules, "__mp_main__")
    assert type(load_pickle(data)).__name__ == "Order"


def test_operators_see_the_name(script: dict[str, Any]) -> None:
    """Given objects of a script, with and without their values, then they are shown by the name of their class."""
    script["CLOSED"] = script["queue"]
    for value, shown in ((script["Plan"].PAID, "<Plan 'paid'>"), (script["Order"](1), "<Order id=1>"), (script["Shop"](), "<Shop>")):
        assert text_of(look_into(dump_pickle(value))) == shown


class Color(enum.Enum):
    """An enum of a module."""

    RED = "__main__"


def test_a_text_like_a_name_is_a_text(script: dict[str, Any]) -> None:
    """Given values that only contain the names of modules, then they arrive as they are."""
    for value in ("__main__", "<run_path>", "shop_of_test", Color.RED, {"shop_of_test": "Plan"}):
        assert load_pickle(dump_pickle(value)) == value
