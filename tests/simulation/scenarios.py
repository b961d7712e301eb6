"""Small scenarios, written by hand: each aims at one rule."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.tools.simulation.faults import Fault
from taskq.tools.simulation.ledger import Step
from taskq.tools.simulation.scenario import Act, HostPlan, MessagePlan, Scenario

__all__ = ["LEASE", "message", "scenario"]

LEASE = 15.0


def message(number: int, *steps: tuple[float, str], on_fail: float = 0.0, result_ttl: float = 0.0) -> MessagePlan:
    """Return a message whose runs take these seconds, and end so."""
    return MessagePlan(number, 0.0, tuple(Step(*step) for step in steps), 0.0, result_ttl, True, on_fail)


def scenario(
    seed: int,
    *messages: MessagePlan,
    hosts: int = 1,
    acts: Sequence[Act] = (),
    faults: Sequence[Fault] = (),
    max_attempts: int = 3,
    lost_workers: int = 0,
    quiet: float = 0.3,
) -> Scenario:
    """Return a scenario with one worker process on each machine."""
    machines = (HostPlan(1, LEASE),) * hosts
    return Scenario(seed, machines, messages, tuple(acts), tuple(faults), 0.0, max_attempts, lost_workers, quiet)
