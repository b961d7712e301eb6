"""Costs of cases, and what a plan of them takes."""

from __future__ import annotations

import asyncio

import pytest

from taskq.tools.bench.cases import ALL
from taskq.tools.bench.compare import _apush
from taskq.tools.bench.cost import Cost, Sample
from taskq.tools.bench.plan import Plan

pytestmark = pytest.mark.one_python


def test_a_cost_has_one_figure_per_part() -> None:
    """Given rounds in which the server reported its time only once, then rate and CPU are medians, and the server's figure is missing."""
    cost = Cost.of("items", [Sample(10, 3.0, 1.0), Sample(30, 1.0, None)])
    assert [(part.unit, part.median) for part in (cost.rate, cost.cpu, cost.server)] == [("items/s", 20), ("µs/item", 2), ("µs/item", None)]
    assert cost.server.note == "not reported here"


@pytest.mark.parametrize(
    ("measures", "weight"), [(frozenset[str](), 160_000), (frozenset({"100kb"}), 200_300), (frozenset({"1kb"}), 160_000)]
)
def test_a_plan_weighs_the_larger_of_its_parts(measures: frozenset[str], weight: int) -> None:
    """Given cases with large arguments, then a plan weighs what they take, but not less than the jobs of a round."""
    assert Plan(jobs=1_000, processes=1, payload=10, rounds=1, measures=measures).weight == weight


@pytest.mark.parametrize("count", [10, 100, 300])
def test_as_many_are_pushed_as_are_counted(count: int) -> None:
    """Given fewer pushes than tasks, or more, then each counted push is made."""
    pushed: list[str] = []

    class Job:
        async def apush(self, argument: str) -> None:
            pushed.append(argument)

    asyncio.run(_apush(Job(), count, "x"))
    assert len(pushed) == count


def test_each_case_has_jobs_in_the_smallest_benchmark() -> None:
    """Given ten jobs, then each case has ten, too."""
    assert {case.count(10) for case in ALL.values()} == {10}
