"""`taskq.current()` in a plain call of a job's function."""

from __future__ import annotations

import pytest

import taskq
from taskq import TaskqError, testing


def test_a_function_can_ask_for_its_context() -> None:
    with testing.context(attempt=3, max_attempts=5, job="shop:send", channel="mail", headers={"tenant": "acme"}) as outer:
        assert taskq.current() is outer
        assert (outer.attempt, outer.max_attempts, outer.job, outer.channel, outer.headers["tenant"]) == (3, 5, "shop:send", "mail", "acme")
        with testing.context(id="0" * 32, pushed_at_ms=0) as inner:
            assert (taskq.current().id, inner.pushed_at.year, dict(inner.headers)) == ("0" * 32, 1970, {})
            taskq.progress(1, 2)
            with pytest.raises(ValueError, match="finite number"):
                taskq.progress(float("nan"))
        assert taskq.current() is outer
    with pytest.raises(TaskqError, match="only inside a running job"):
        taskq.current()
