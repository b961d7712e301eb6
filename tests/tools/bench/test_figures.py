"""From samples to numbers."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.tools.bench.cpu import of_processes
from taskq.tools.bench.figures import figure, percentile
from tests.support.wait import wait_until

SAMPLES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("samples", "median", "p99"),
    [([7.0], 7.0, None), ([1.0, 2.0], 1.5, None), ([3.0, 1.0, 2.0], 2.0, None), ([float(n) for n in range(1, 201)], 100.5, 198.0)],
)
def test_a_figure_is_what_one_reckons_by_hand(samples: list[float], median: float, p99: float | None) -> None:
    """Given samples in any order, then the median (the mean of two middles) and the 99th percentile (of many) are those of a schoolbook."""
    found = figure("ms", samples)
    assert (found.median, found.p99, found.low, found.high) == (median, p99, min(samples), max(samples))
    assert (found.unit, found.samples, found.note) == ("ms", len(samples), "")


@given(SAMPLES)
def test_numbers_stand_in_order(samples: list[float]) -> None:
    """Given any samples, then percentiles never go down from the lowest to the highest, and none but the median is invented."""
    ordered = sorted(samples)
    numbers = [ordered[0], *(percentile(ordered, percent) for percent in (1, 50, 99, 100)), ordered[-1]]
    assert numbers == sorted(numbers)
    assert {*numbers[:2], *numbers[3:]} <= set(samples)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux tells")
def test_the_processor_time_of_a_process_is_its_own() -> None:
    """Given a process that works, then the time told from outside is what it would tell itself."""
    before = of_processes([os.getpid()])
    assert before is not None
    wait_until(lambda: sum(range(100_000)) and (of_processes([os.getpid()]) or 0) > before + 0.02)
    next_report = of_processes([os.getpid()])
    assert next_report == pytest.approx(time.process_time(), abs=0.05)


def test_an_ended_process_has_no_cpu_time() -> None:
    """Given a process that has ended, then nothing is told rather than a number that is too low."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert of_processes([os.getpid(), pid]) is None
