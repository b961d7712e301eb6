"""The scheduler of a simulation: turns, virtual time, and the end of a party."""

from __future__ import annotations

import pytest

from taskq.tools.simulation.party import Death, Violation
from taskq.tools.simulation.world import BEGIN, World


def test_parties_take_turns_in_virtual_time() -> None:
    """Given two parties that sleep, then each continues at its moment, and no real time passes."""
    world = World(1)
    seen: list[tuple[str, float]] = []

    def sleeper(name: str, seconds: float) -> None:
        for _ in range(2):
            world.sleep(seconds)
            seen.append((name, world.now - BEGIN))

    world.begin("a", lambda: sleeper("a", 3600.0))
    world.begin("b", lambda: sleeper("b", 2500.0))
    world.later(10_000.0, world.end)
    world.run(BEGIN + 20_000.0)
    assert world.failure is None
    assert seen == [("b", 2500.0), ("a", 3600.0), ("b", 5000.0), ("a", 7200.0)]


def test_a_wait_ends_with_its_condition_or_its_time() -> None:
    """Given a party that waits for another one, then it continues once the condition holds, or when its time is over."""
    world = World(1)
    news: list[str] = []
    found: list[tuple[bool, float]] = []

    def reader() -> None:
        found.append((world.wait(lambda: bool(news), 5.0), world.now - BEGIN))
        news.clear()
        found.append((world.wait(lambda: bool(news), 5.0), world.now - BEGIN))
        world.end()

    world.begin("reader", reader)
    world.later(2.0, lambda: news.append("here"))
    world.run(BEGIN + 100.0)
    assert found == [(True, 2.0), (False, 7.0)]


def test_a_killed_party_never_continues() -> None:
    """Given a party that is killed while it sleeps, and whose last code kills another one, then the code of both ends there."""
    world = World(1)
    seen: list[str] = []

    def body(name: str) -> None:
        try:
            world.sleep(10.0)
            seen.append(f"{name} continued")
        except Death:
            seen.append(f"{name} died")
            world.kill(other)  # code on the way out, such as a `finally`
            raise

    other = world.begin("other", lambda: body("other"))
    first = world.begin("first", lambda: body("first"))
    world.later(1.0, lambda: world.kill(first))
    world.later(20.0, world.end)
    world.run(BEGIN + 100.0)
    assert world.failure is None
    assert seen == ["first died", "other died"]


def test_a_frozen_party_continues_later() -> None:
    """Given a party that is frozen while its moment passes, then it continues when it is thawed."""
    world = World(1)
    seen: list[float] = []

    def body() -> None:
        world.sleep(1.0)
        seen.append(world.now - BEGIN)
        world.end()

    party = world.begin("a", body)
    party.frozen_until = BEGIN + 30.0
    world.run(BEGIN + 100.0)
    assert seen == [30.0 + 1.0]


def test_a_loop_that_waits_for_nothing_reaches_its_moment() -> None:
    """Given a party that looks again and again without a pause, then time passes for it."""
    world = World(1)

    def body() -> None:
        until = world.now + 0.001
        while world.now <= until:
            world.wait(None, 0.0)
        world.end()

    world.begin("a", body)
    world.run(BEGIN + 100.0)
    assert world.failure is None


@pytest.mark.parametrize(("seconds", "text"), [(1e9, "ends: not over after 100 virtual seconds"), (float("inf"), "ends: not over")])
def test_a_run_without_an_end_is_a_violation(seconds: float, text: str) -> None:
    """Given a party that waits too long, or forever, then the run fails."""
    world = World(1)
    world.begin("a", lambda: world.sleep(seconds))
    world.run(BEGIN + 100.0)
    assert isinstance(world.failure, Violation)
    assert str(world.failure).startswith(text)


def test_an_error_of_a_party_is_a_violation() -> None:
    """Given a party whose code raises, then the run fails with its traceback."""
    world = World(1)
    world.begin("a", lambda: 1 // 0)
    world.run(BEGIN + 100.0)
    assert "no crash: a failed:" in str(world.failure)
    assert "ZeroDivisionError" in str(world.failure)
