"""Where a job may be interrupted: threads that block in real code of the standard library."""

from __future__ import annotations

import importlib
import io
import logging
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from taskq.worker.execute.places import Place, has_left_import, place_of
from tests.support.wait import wait_until

FREE, IMPORT, PROTECTED = Place.FREE, Place.IMPORT, Place.PROTECTED


def _run(function: Callable[[], object]) -> None:
    function()


def _place(thread: threading.Thread, *, is_late: bool, caller: CodeType = _run.__code__) -> Place:
    return place_of(sys._current_frames()[thread.ident or 0], caller, is_late=is_late)


@contextmanager
def _stuck(function: Callable[[], object], *, until: Callable[[], object]) -> Iterator[threading.Thread]:
    """A thread that runs a blocking function; afterwards it is released."""
    thread = threading.Thread(target=_run, args=(function,))
    thread.start()
    try:
        yield thread
    finally:
        until()
        thread.join(10)
        assert not thread.is_alive()


def _expect(thread: threading.Thread, early: Place, late: Place) -> None:
    """Wait until the thread is where it is expected, twice in a row."""

    def both() -> bool:
        return _place(thread, is_late=False) is early and _place(thread, is_late=True) is late

    wait_until(lambda: both() and both(), what=f"a thread in a place that is {early.value}, and late {late.value}")


def test_waits_may_be_interrupted() -> None:
    """Given threads that wait for an event, an item, another thread or a future, then they are free: a wait may last forever."""
    event, items, ended, future = threading.Event(), queue.Queue[int](), threading.Event(), Future[int]()
    other = threading.Thread(target=ended.wait)
    other.start()
    for function, until in (
        (event.wait, event.set),
        (lambda: event.wait(60), event.set),
        (items.get, lambda: items.put(1)),
        (other.join, ended.set),
        (future.result, lambda: future.set_result(1)),
    ):
        event.clear()
        with _stuck(function, until=until) as thread:
            _expect(thread, FREE, FREE)


def test_code_of_the_job_is_free() -> None:
    """Given a thread in a lock of its own, then it is free: such a lock can't be seen."""
    lock = threading.Lock()
    lock.acquire()
    with _stuck(lock.acquire, until=lock.release) as thread:
        _expect(thread, FREE, FREE)


_CONDITION, _ITEMS, _HANDLER = threading.Condition(), queue.Queue[int](), logging.StreamHandler(io.StringIO())
_RECORD = logging.LogRecord("x", logging.INFO, "x", 1, "x", (), None)


def _enter() -> None:
    with _CONDITION:
        pass


@pytest.mark.parametrize(
    ("function", "lock"),
    [(_enter, _CONDITION), (lambda: _ITEMS.put(1), _ITEMS.mutex), (lambda: _HANDLER.handle(_RECORD), _HANDLER.lock)],
    ids=["threading", "queue", "logging"],
)
def test_a_thread_that_takes_a_lock_is_protected(function: Callable[[], object], lock: Any) -> None:
    """Given a thread that is acquiring a lock of threading, queue or logging, then it is protected, early and late."""
    lock.acquire()
    with _stuck(function, until=lock.release) as thread:
        _expect(thread, PROTECTED, PROTECTED)


class _Slow(logging.Handler):
    """A handler that waits for an event."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.go_on.wait(60)


def test_a_thread_that_logs_is_protected_at_first() -> None:
    """Given a thread in the code of a log handler, whose lock it holds, then it is protected, and late free: the lock is released."""
    handler = _Slow()
    log = logging.getLogger("tests.places")
    log.addHandler(handler)
    log.propagate = False
    with _stuck(lambda: log.warning("x"), until=handler.go_on.set) as thread:
        _expect(thread, PROTECTED, FREE)
    log.removeHandler(handler)


def test_a_thread_that_imports_is_protected_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a thread in the code of a module that it imports, then it is protected, and late an interruption costs the process."""
    name = f"waits_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(f"import tests.worker.execute.test_places as test\ntest.events[{name!r}].wait(60)\n")
    monkeypatch.syspath_prepend(tmp_path)
    event = events[name] = threading.Event()
    with _stuck(lambda: importlib.import_module(name), until=event.set) as thread:
        _expect(thread, PROTECTED, IMPORT)
    del sys.modules[name]


#: Read by the module that the test above imports.
events: dict[str, threading.Event] = {}


def test_a_finalizer_is_protected() -> None:
    """Given a thread in `__del__` or in a function of `weakref`, then it is protected: Python drops what is raised there."""
    event = threading.Event()

    class Empty:
        pass

    class Thing:
        def __del__(self) -> None:
            event.wait(60)

    with _stuck(lambda: Thing().__class__, until=event.set) as thread:
        _expect(thread, PROTECTED, PROTECTED)
    event.clear()

    def finalize() -> None:
        thing = Empty()
        weakref.finalize(thing, event.wait, 60)

    with _stuck(finalize, until=event.set) as thread:
        _expect(thread, PROTECTED, PROTECTED)


@pytest.mark.parametrize(
    ("module", "function", "early", "late"),
    [
        ("redis.connection", "pack", PROTECTED, PROTECTED),
        ("valkey.connection", "pack", PROTECTED, PROTECTED),
        ("redis.connection", "read_response", FREE, FREE),
        ("taskq.driver.pool", "_keep", PROTECTED, FREE),
        ("taskq.driver.steps", "run", FREE, FREE),
        ("taskq.worker.execute.executor", "execute", FREE, FREE),
        ("jobs", "pack", FREE, FREE),
        ("taskq.worker.process.signals", "_note", PROTECTED, PROTECTED),
    ],
)
def test_functions_that_are_known_by_their_names(module: str, function: str, early: Place, late: Place) -> None:
    """Given a thread in a function that packs a command, or in taskq, then it is protected; taskq's own only at first."""
    event = threading.Event()
    names: dict[str, Any] = {"__name__": module, "is_set": event.is_set}
    exec(f"def {function}():\n    while not done: pass\n", names)
    names["done"] = False
    with _stuck(names[function], until=lambda: names.update(done=True)) as thread:
        _expect(thread, early, late)


def test_a_caller_s_frames_do_not_count() -> None:
    """Given a thread whose job was called from `threading`, as each is, then that doesn't protect it; nor does a missing frame."""
    done: list[bool] = []

    def spin() -> None:
        while not done:
            pass

    with _stuck(spin, until=lambda: done.append(True)) as thread:
        _expect(thread, FREE, FREE)
    assert place_of(None, _run.__code__, is_late=False) is FREE


@pytest.mark.parametrize(("code", "expected"), [("1 // 0", True), ("def f(): 1 // 0", False)])
def test_a_traceback_through_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, expected: bool) -> None:
    """Given an exception of the code of a module, then its import was left; given one of a function in it, or of `exec`, then not."""
    name = f"fails_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")
    (tmp_path / f"{name}.py").write_text(code + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError) as caught:
        importlib.import_module(name).f()
    assert has_left_import(caught.tb) is expected
    with pytest.raises(ZeroDivisionError) as caught:
        exec("1 // 0", {})
    assert not has_left_import(caught.tb)
    sys.modules.pop(name, None)
