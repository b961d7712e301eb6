"""Heartbeats: a rejected heartbeat of one child must not cost another its lease."""

from __future__ import annotations

import logging

import pytest

from taskq.clock import monotonic
from taskq.supervisor.services.heartbeat import Heartbeat
from tests.supervisor.conftest import Channel


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
