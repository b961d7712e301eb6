"""The start of a worker process."""

from __future__ import annotations

import sys
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from taskq import Queue, context
from taskq.jobs.around.chain import wrapped
from taskq.worker.main import _bind_structlog, _seed_numpy


class Generator:
    """A bit generator of another kind than the default."""


def test_numpy_is_seeded_if_the_app_has_imported_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an app with numpy, then its global generator is seeded, or replaced by a new one of the kind that the app has chosen."""
    calls: list[Any] = []
    module = SimpleNamespace(seed=lambda: calls.append("seed"), get_bit_generator=Generator, set_bit_generator=calls.append)
    monkeypatch.delitem(sys.modules, "numpy.random", raising=False)
    _seed_numpy()
    monkeypatch.setitem(sys.modules, "numpy.random", module)  # type: ignore[arg-type]
    _seed_numpy()

    def refuse() -> None:
        raise TypeError("can only re-seed a MT19937 BitGenerator")

    module.seed = refuse
    _seed_numpy()
    assert (calls[0], type(calls[1]), len(calls)) == ("seed", Generator, 2)


def test_structlog_names_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an app with structlog, then its context variables have the fields of the job during the run, and not afterwards."""
    queue = Queue("unix:///nowhere.sock")
    monkeypatch.delitem(sys.modules, "structlog.contextvars", raising=False)
    _bind_structlog(queue)
    assert queue.wrappers == []
    contextvars = structlog.contextvars
    monkeypatch.setitem(sys.modules, "structlog.contextvars", contextvars)
    _bind_structlog(queue)
    _bind_structlog(queue)  # a simulation starts many workers in one process
    assert len(queue.wrappers) == 1
    job = context.Context(id="0" * 32, job="work", channel="default", attempt=2, max_attempts=3, pushed_at_ms=0)
    run: Any = SimpleNamespace(context=job)

    def seen() -> dict[str, Any]:
        context.enter(run)
        return dict(wrapped(queue.wrappers, contextvars.get_contextvars, job="work", channel="default")())

    assert copy_context().run(seen) == {"taskq_id": "0" * 32, "taskq_job": "work", "taskq_attempt": 2, "taskq_channel": "default"}
    assert contextvars.get_contextvars() == {}
