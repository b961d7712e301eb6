"""The tests that are left out under each Python: each runs somewhere, and a test that is listed nowhere runs everywhere."""

from __future__ import annotations

import pytest

from tests.support.pythons import DEPENDENCIES, PRODUCT, TESTS, is_left_out, leaves_out_product

OLDEST, ALL, NEWEST = (3, 11), (3, 12), (3, 13)


@pytest.mark.parametrize("name", [*PRODUCT, *DEPENDENCIES])
def test_what_is_listed_exists_and_one_python_runs_it(name: str) -> None:
    """Given a listed file or folder, then it exists, and 3.12 runs it."""
    assert (TESTS / name).exists()
    assert not is_left_out(TESTS / name, ALL)


def test_a_python_leaves_out_what_it_cant_change() -> None:
    """Given one test of each kind, then 3.12 runs all, 3.11 also those of a dependency, and each runs those that a Python can change."""
    kinds = [TESTS / name for name in ("simulation/test_seeds.py", "cli/test_push.py", "e2e/test_cleanup.py")]
    left_out = {version: [is_left_out(path, version) for path in kinds] for version in (OLDEST, ALL, NEWEST)}
    assert left_out == {OLDEST: [True, False, False], ALL: [False, False, False], NEWEST: [True, True, False]}
    assert [leaves_out_product(version) for version in left_out] == [True, False, True]
