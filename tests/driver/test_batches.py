"""Batches of bounded size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.driver.batches import batches

pytestmark = pytest.mark.one_python


@given(st.lists(st.integers(0, 12), max_size=12), st.integers(1, 5), st.integers(1, 20))
def test_each_batch_is_as_long_as_it_may_be(sizes: list[int], count: int, limit: int) -> None:
    """Given items of any size, then batches keep the order, stay within both limits, and the next item would not have fitted."""
    cut = [list(batch) for batch in batches(range(len(sizes)), sizes, count=count, limit=limit)]
    assert [item for batch in cut for item in batch] == list(range(len(sizes)))
    weights = [sum(sizes[item] for item in batch) for batch in cut]
    assert all(len(batch) == 1 or (len(batch) <= count and weight <= limit) for batch, weight in zip(cut, weights, strict=True))
    following = [sizes[batch[-1] + 1] for batch in cut[:-1]]
    assert all(len(batch) == count or weight + size > limit for batch, weight, size in zip(cut, weights, following, strict=False))
