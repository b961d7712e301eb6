"""Tracebacks begin in the application."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from taskq.errors import JobDefinitionError
from taskq.tracebacks import from_application, is_of_application
from taskq.wire.history import record_of


def raised_through(name: str, work: Callable[[], object]) -> BaseException:
    """Call a function from a module of that name, and return what it raises."""
    frame: dict[str, object] = {"__name__": name}
    exec("def call(work):\n    return work()", frame)
    call: Callable[[Callable[[], object]], object] = frame["call"]  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError) as caught:
        call(work)
    caught.value.__traceback__ = caught.tb.tb_next  # without the frame of this test
    return caught.value


def divide() -> object:
    return 1 // 0


@pytest.mark.parametrize("name", ["taskq.worker.execute.executor", "asyncio.runners"])
def test_frames_that_called_the_job_are_left_out(name: str) -> None:
    """Given an error in a job that the worker or the event loop called, then its stored traceback begins in the job."""
    trace = record_of("failed", "w1", 1, raised_through(name, divide)).traceback
    assert trace.splitlines()[1].endswith("in divide")


def test_a_traceback_without_frames_of_the_application_is_complete() -> None:
    """Given an error of taskq itself, or one below the application, then nothing is left out."""
    error = raised_through("taskq.worker.execute.executor", partial(divmod, 1, 0))
    assert from_application(error) is error.__traceback__
    inner = raised_through("shop.jobs", lambda: raised_through("taskq.worker.execute.executor", divide) and divide())
    assert from_application(inner) is inner.__traceback__
    assert from_application(ValueError()) is None


def test_a_mistake_that_only_taskq_has_seen_has_no_traceback() -> None:
    """Given an error that explains a mistake, raised by the worker, then the lines of taskq are left out."""
    try:
        exec("raise error", {"__name__": "taskq.worker.execute.results", "error": JobDefinitionError("it must yield once")})
    except JobDefinitionError as error:
        raised = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)  # without the frame of this test
    assert record_of("failed", "w1", 1, raised).traceback == "taskq.errors.JobDefinitionError: it must yield once\n"


def test_the_cause_of_a_value_that_is_not_stored_is_the_application_or_the_serializer() -> None:
    assert not is_of_application(raised_through("cloudpickle.cloudpickle", partial(divmod, 1, 0)))
    assert is_of_application(raised_through("pickle", divide))
