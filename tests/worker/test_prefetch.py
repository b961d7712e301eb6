"""How many messages are reserved at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.scoreboard.slot import BATCH_LIMIT
from taskq.worker.prefetch import BATCH_SECONDS, Prefetch, next_size


@pytest.mark.parametrize(
    ("size", "mean", "expected"),
    [
        (1, 0.000_001, 2),
        (4, 0.000_001, 8),
        (200, 0.000_001, BATCH_LIMIT),
        (BATCH_LIMIT, 0.0, BATCH_LIMIT),
        (100, 0.001, 10),
        (100, 0.004, 2),
        (100, 1.0, 1),
        (1, 3600.0, 1),
    ],
)
def test_a_batch_at_most_doubles_and_holds_what_ten_milliseconds_take(size: int, mean: float, expected: int) -> None:
    """Given a size and a job's mean time, then the next size is known."""
    assert next_size(size, mean) == expected


@given(st.integers(1, BATCH_LIMIT), st.floats(0, 1e6))
def test_the_size_keeps_its_bounds(size: int, mean: float) -> None:
    """Given any size and time, then a batch holds 1 to 256, at most twice the last, and more than one only when it is short."""
    new = next_size(size, mean)
    assert 1 <= new <= min(2 * size, BATCH_LIMIT)
    assert new == 1 or new * mean <= BATCH_SECONDS * 1.000_001


def test_it_begins_with_one_and_grows_with_quick_jobs() -> None:
    """Given quick jobs, then each batch is twice the one before, up to the limit."""
    prefetch = Prefetch()
    sizes = []
    for _ in range(10):
        sizes.append(prefetch.size)
        prefetch.learn(prefetch.size, prefetch.size * 0.000_01)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]


def test_one_slow_batch_makes_it_small_at_once() -> None:
    """Given large batches, if one is slow, then the next is small, and quick ones make it grow again slowly."""
    prefetch = Prefetch()
    for _ in range(10):
        prefetch.learn(prefetch.size, prefetch.size * 0.000_01)
    prefetch.learn(1, 0.5)
    assert prefetch.size == 1
    grown = 0
    while prefetch.size < 64 and grown < 100:
        prefetch.learn(prefetch.size, prefetch.size * 0.000_01)
        grown += 1
    assert 6 < grown < 60


def test_an_interruption_of_a_small_batch_is_soon_forgotten() -> None:
    """Given quick jobs in a small batch, if the process had to wait ten milliseconds for a processor, then the batches go on growing."""
    prefetch = Prefetch()
    for _ in range(2):
        prefetch.learn(prefetch.size, prefetch.size * 0.000_01)
    prefetch.learn(4, 0.010)
    sizes = []
    for _ in range(5):
        prefetch.learn(prefetch.size, prefetch.size * 0.000_01)
        sizes.append(prefetch.size)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 64


@pytest.mark.parametrize("seconds", [0.005, 0.02, 2.0])
def test_jobs_that_become_slow_are_soon_reserved_one_by_one(seconds: float) -> None:
    """Given fast jobs, if they become slow, then at most four batches are larger than they should be."""
    prefetch = Prefetch()
    for _ in range(4):
        prefetch.learn(prefetch.size, prefetch.size * 0.000_01)
    for _ in range(4):
        prefetch.learn(prefetch.size, prefetch.size * seconds)
    assert prefetch.size == max(1, int(BATCH_SECONDS / seconds))


def test_an_empty_batch_teaches_nothing() -> None:
    """Given a batch of which nothing was run, then the size stays."""
    prefetch = Prefetch()
    prefetch.learn(1, 0.000_01)
    prefetch.learn(0, 5.0)
    assert prefetch.size == 2
