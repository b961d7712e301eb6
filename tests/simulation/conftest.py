"""The simulator on the server that the tests of this process share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq.tools.simulation.hunt import simulator as open_simulator
from taskq.tools.simulation.run import Simulator
from tests.support.servers import ServerProcess


@pytest.fixture
def simulator(server: ServerProcess) -> Iterator[Simulator]:
    """Runs scenarios. It empties the server before each run."""
    with open_simulator(server.url) as one:
        yield one
