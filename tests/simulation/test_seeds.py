"""200 seeds of simulated faults break no rule: each message is in one place, has one holder, and is done at the end"""

from __future__ import annotations

import pytest
import setproctitle

from taskq.tools.simulation.hunt import hunt
from taskq.tools.simulation.run import Simulator
from taskq.tools.simulation.scenario import scenario_of

#: Several tests, so that several processes share them.
_PART = 25


@pytest.mark.parametrize("first", range(0, 200, _PART))
def test_no_rule_is_broken(simulator: Simulator, first: int) -> None:
    """Given the scenarios of some seeds, when they are run, then no rule is broken.

    `taskq chaos --simulate --seed N --seeds 1` repeats one that fails.
    """
    report = hunt(simulator, first, _PART)
    assert report.found is None, "\n".join([report.found.text, *report.found.scenario, *report.found.history])
    assert report.runs > _PART


def test_a_seed_repeats_exactly(simulator: Simulator) -> None:
    """Given a seed, when it is run twice, with others between, then every command is the same, at the same virtual moment.

    This process keeps its title, which a real supervisor changes.
    """
    title = setproctitle.getproctitle()
    first = simulator.run(scenario_of(7), tracing=True)
    simulator.run(scenario_of(8))
    again = simulator.run(scenario_of(7), tracing=True)
    assert first.history == again.history
    assert (first.commands, first.runs, first.seconds) == (again.commands, again.runs, again.seconds)
    assert first.commands > 20
    assert setproctitle.getproctitle() == title
