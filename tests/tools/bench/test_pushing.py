"""Pushes that are measured, on a stand-in for the server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from taskq.tools.bench import pushing
from taskq.tools.bench.place import Place
from taskq.tools.bench.plan import MEASURES, Plan

PLAN = Plan(jobs=1000, processes=1, payload=3, rounds=2, measures=frozenset(MEASURES))


class Silent:
    def show(self, measure: str, done: int, total: int) -> None:
        assert (measure, total) == ("push", 200)
        assert 0 <= done < total


def _stand_in(pushed: list[str]) -> Place:
    place: Any = SimpleNamespace(app=SimpleNamespace(nothing=SimpleNamespace(push=pushed.append)), clear=lambda: pushed.append("cleared"))
    return cast("Place", place)


def test_a_tenth_of_the_jobs_is_pushed_in_each_round() -> None:
    """Given 1,000 jobs and two rounds, then 100 are pushed in each, with their payload, and are removed before the next."""
    pushed: list[str] = []
    found = pushing.push(_stand_in(pushed), PLAN, Silent())
    assert pushed == [*["xxx"] * 100, "cleared"] * 2
    assert (found.unit, found.samples) == ("jobs/s", 2)


def test_a_server_far_away_ends_a_round_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a round that takes longer than it may, then it ends, and its rate is that of what was pushed."""
    times = iter([0.0, 0.0, 5.0, 11.0, 11.0] * 2)
    monkeypatch.setattr(pushing, "monotonic", lambda: next(times))
    pushed: list[str] = []
    found = pushing.push(_stand_in(pushed), PLAN, Silent())
    assert pushed == [*["xxx"] * 20, "cleared"] * 2
    assert found.median == pytest.approx(20 / 11)
