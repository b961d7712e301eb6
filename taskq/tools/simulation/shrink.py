"""Reduces a scenario that breaks a rule to a smaller one that still breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from taskq.tools.simulation.scenario import Scenario

__all__ = ["shrink"]

#: The most runs that shrinking takes.
_MOST = 400


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Return a smaller scenario for which `fails` still returns True."""
    left = _MOST
    is_smaller = True
    while is_smaller and left > 0:
        is_smaller = False
        for one in _smaller(scenario):
            left -= 1
            if fails(one):
                scenario, is_smaller = one, True
                break
            if left <= 0:
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Yield scenarios with one part less, the largest parts first."""
    replace: Any = msgspec.structs.replace
    for name in ("messages", "faults", "acts"):
        parts = getattr(scenario, name)
        size = len(parts) // 2
        while size:
            for start in range(0, len(parts), size):
                yield replace(scenario, **{name: parts[:start] + parts[start + size :]})
            size //= 2
        if len(parts) == 1 and name != "messages":
            yield replace(scenario, **{name: ()})
    if scenario.lost_workers:
        yield replace(scenario, lost_workers=0)
    if len(scenario.hosts) > 1:
        yield replace(scenario, hosts=scenario.hosts[:-1])
        yield replace(scenario, hosts=scenario.hosts[1:])
    for number, host in enumerate(scenario.hosts):
        if host.processes > 1:
            yield replace(scenario, hosts=_with(scenario.hosts, number, replace(host, processes=1)))
        if host.concurrency > 1:
            yield replace(scenario, hosts=_with(scenario.hosts, number, replace(host, concurrency=1)))
    for number, message in enumerate(scenario.messages):
        if len(message.steps) > 1:
            yield replace(scenario, messages=_with(scenario.messages, number, replace(message, steps=message.steps[:-1])))
        if message.delay:
            yield replace(scenario, messages=_with(scenario.messages, number, replace(message, delay=0.0)))


def _with(parts: tuple[Any, ...], number: int, part: Any) -> tuple[Any, ...]:
    return (*parts[:number], part, *parts[number + 1 :])
