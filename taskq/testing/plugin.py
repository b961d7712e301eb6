"""The pytest plugin: the fixture `taskq`, and the marker of that name. It imports taskq's code when a test uses one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from taskq.testing.recording import Recording

__all__ = ["pytest_collection_modifyitems", "pytest_configure", "taskq"]

_HELP = (
    "taskq(mode='manual', raises=True): record the pushes of the test, as the fixture `taskq` does. "
    "mode: 'manual' (run_one() and run_all() run them), 'inline' (each push runs at once), 'worker' (a forked worker runs them). "
    "raises: False lets failed runs fail without an exception in the test."
)


def pytest_configure(config: pytest.Config) -> None:
    """Define the marker."""
    config.addinivalue_line("markers", _HELP)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the marker record a test that doesn't name the fixture. A recording begins before the other fixtures: they may push, too."""
    for item in items:
        names = getattr(item, "fixturenames", None)
        if names is None or ("taskq" not in names and item.get_closest_marker("taskq") is None):
            continue
        scopes = _scopes(item)
        if scopes.get("taskq", "function") == "function":
            others = [name for name in names if name != "taskq"]
            place = next((i for i, name in enumerate(others) if scopes.get(name) == "function"), len(others))
            item.fixturenames = [*others[:place], "taskq", *others[place:]]  # type: ignore[attr-defined]


def _scopes(item: pytest.Item) -> dict[str, str]:
    """Return the scopes of a test's fixtures, by name."""
    found = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return {name: definitions[-1].scope for name, definitions in found.items() if definitions}


@pytest.fixture
def taskq(request: pytest.FixtureRequest) -> Iterator[Recording]:
    """Record the pushes of all queues during the test: see the guide "Test your jobs"."""
    from taskq.testing.recording import record

    marker = request.node.get_closest_marker("taskq")
    if marker is not None and marker.args:
        pytest.fail(f"the marker taskq has named arguments only: @pytest.mark.taskq(mode={marker.args[0]!r})", pytrace=False)
    try:
        block = record(**(marker.kwargs if marker is not None else {}))
    except (TypeError, ValueError) as error:
        raise pytest.fail.Exception(f"@pytest.mark.taskq: {error}", pytrace=False) from None
    with block as recording:
        yield recording
