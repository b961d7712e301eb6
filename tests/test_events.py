"""Events: which functions can listen, and the name of a listener in the log."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from taskq import JobDefinitionError, events
from taskq.events import Signal, emit


def broken(event: object) -> None:
    raise ValueError(event)


class Table:
    def update(self, event: object) -> None:
        raise ValueError(event)

    def __call__(self, event: object) -> None:
        raise ValueError(event)


@pytest.mark.parametrize(
    ("listener", "name"),
    [(broken, "broken"), (Table().update, "Table.update"), (Table(), "Table"), (functools.partial(broken), "broken")],
)
def test_the_log_names_a_broken_listener(listener: Any, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Given a listener that raises, then the log has its module and name, not its address."""
    signal = Signal("for a test")
    signal.connect(listener)
    emit(signal, 5)
    assert [one.getMessage() for one in caplog.records] == [
        f"event listener {__name__}.{name} raised an exception (the job is not affected)"
    ]


async def later(event: object) -> None: ...


def items(event: object) -> Any:
    yield event


async def aitems(event: object) -> Any:
    yield event


@pytest.mark.parametrize("listener", [later, items, aitems])
def test_a_function_that_a_call_would_not_run_is_refused(listener: Any) -> None:
    """Given a coroutine or generator function, then connect raises: its code would never run."""
    signal = Signal("for a test")
    with pytest.raises(
        JobDefinitionError, match=rf"\.{listener.__name__} can't listen to an event: calling it would run nothing\. Write a sync"
    ):
        signal.connect(listener)
    assert not signal.receivers


def test_a_function_that_does_not_take_the_event_is_refused() -> None:
    """Given functions with no or two parameters, then connect raises; one with a default, or any arguments, may listen."""
    signal = Signal("for a test")
    two: Any = lambda event, more: None  # noqa: E731
    none: Any = lambda: None  # noqa: E731
    for listener in (two, none):
        with pytest.raises(JobDefinitionError, match="can't listen to an event: it must take one argument, the event: "):
            signal.connect(listener)
    assert not signal.receivers
    for fitting in (lambda event, more=None: None, lambda *args: None, print, [].append):
        signal.connect(fitting)
    assert len(signal.receivers) == 4


def test_a_forgotten_connect_and_a_signal_of_another_queue_are_explained() -> None:
    signal: Any = Signal("for a test")
    with pytest.raises(JobDefinitionError, match=r"an event is not a decorator: write @taskq\.events\.failed\.connect"):
        signal(print)
    with pytest.raises(AttributeError, match=r"no attribute 'task_failure': listen to taskq\.events\.failed"):
        getattr(events, "task_failure")  # noqa: B009 (type checkers would refuse the attribute)
    with pytest.raises(AttributeError, match=r"no attribute 'falied': the events are after, before, .*, worker_stop$"):
        getattr(events, "falied")  # noqa: B009
