"""Heartbeats: a rejected heartbeat of one child must not cost another its lease."""

from __future__ import annotations

import logging

import pytest

from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.errors import ServerUnavailable
from taskq.supervisor.services.heartbeat import Heartbeat
from tests.supervisor.conftest import Channel


def _count_commands(place: Channel) -> list[str]:
    """Return the list of the moves that the channel sends from now on."""
    moves: list[str] = []
    call = place.channel.link.call

    def counted(command: Command) -> object:
        moves.append(command.move)
        return call(command)

    place.channel.link.call = counted  # type: ignore[method-assign]
    return moves


def test_many_children_send_their_heartbeats_together(place: Channel) -> None:
    """Given 60 children, then two commands carry all heartbeats, and each child's activity is recorded."""
    children = [place.child(f"w{number}") for number in range(60)]
    admin, keys = place.store.client, place.store.keys
    before = dict(admin.zrange(keys.workers, 0, -1, withscores=True))
    moves = _count_commands(place)
    Heartbeat(place.channel, "box").tick(5.0)
    assert moves == ["heartbeat_all"] * 2
    after = dict(admin.zrange(keys.workers, 0, -1, withscores=True))
    assert len(after) == 60
    assert all(after[name] != before[name] for name in after)
    assert {child.last_beat for child in children} == {child.slot.beat for child in children} == {5.0}
    assert {admin.hget(keys.worker(child.worker), "channel") for child in children} == {place.prefix.encode()}


def test_each_of_many_children_gets_what_it_needs(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given many children of which one is new, one has lost its registration and one has a wrong key, then each gets what it needs."""
    children = {name: place.child(name) for name in [*(f"w{number}" for number in range(20)), "new", "lost", "wrong"]}
    admin, keys = place.store.client, place.store.keys
    children["new"].registered = False
    admin.zrem(keys.workers, "new", "lost")
    admin.set(keys.reserved("wrong"), "x")
    heartbeat = Heartbeat(place.channel, "box")
    for now in (5.0, 6.0):
        heartbeat.tick(now)
    assert {name for name, child in children.items() if child.last_beat != 6.0} == {"wrong"}
    assert admin.zcard(keys.workers) == 23
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2
    assert "worker process lost lost its registration" in caplog.text
    assert "worker process wrong: " in caplog.text


def test_no_heartbeat_arrives_at_an_unreachable_server(place: Channel) -> None:
    """Given many children and a server that doesn't answer, then one command detects that, and no child counts as alive."""
    children = [place.child(f"w{number}") for number in range(120)]
    moves: list[str] = []

    def broken(command: Command) -> object:
        moves.append(command.move)
        raise ServerUnavailable("away")

    place.channel.link.call = broken  # type: ignore[method-assign]
    Heartbeat(place.channel, "box").tick(5.0)
    assert set(moves) == {"heartbeat_all"}
    assert place.channel.is_down
    assert {child.last_beat for child in children} == {0.0}


@pytest.mark.parametrize("kind", ["string", "list"])
def test_a_key_of_another_type_is_replaced_by_the_hash(place: Channel, kind: str) -> None:
    """Given another type of key in place of a child's activity, if it sends a heartbeat, then the key is replaced."""
    child = place.child("w1")
    admin, key = place.store.client, place.store.keys.worker("w1")
    admin.delete(key)
    _ = admin.set(key, "x") if kind == "string" else admin.lpush(key, "x")
    heartbeat = Heartbeat(place.channel, "box")
    assert heartbeat.send(child, monotonic())
    assert admin.hget(key, "host") == b"box"
    assert not place.channel.is_down


def test_a_rejected_heartbeat_hinders_no_other(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given three children of which the first has a reserved list of another type, then the others send heartbeats; one line is logged."""
    children = [place.child(name) for name in ("w1", "w2", "w3")]
    admin, keys = place.store.client, place.store.keys
    admin.set(keys.reserved("w1"), "x")
    admin.zadd(keys.workers, dict.fromkeys(("w2", "w3"), 5))
    heartbeat = Heartbeat(place.channel, "box")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            heartbeat.tick(monotonic())
    assert [child.last_beat > 0 for child in children] == [False, True, True]
    assert min(admin.zscore(keys.workers, name) for name in ("w2", "w3")) > 1e12
    assert [slot.levelname for slot in caplog.records] == ["ERROR"]
    assert "worker process w1: " in caplog.text
    admin.delete(keys.reserved("w1"))
    heartbeat.tick(monotonic())
    assert children[0].last_beat > 0
