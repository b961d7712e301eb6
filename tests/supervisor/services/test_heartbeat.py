"""Heartbeats: what becomes of one child's keys must not cost another its life."""

from __future__ import annotations

import logging

import pytest

from taskq.clock import monotonic
from taskq.supervisor.services.heartbeat import Heartbeat
from tests.supervisor.conftest import Channel


@pytest.mark.parametrize("kind", ["string", "list"])
def test_a_key_of_another_type_in_the_place_of_the_hash_is_replaced(place: Channel, kind: str) -> None:
    """Given another key where a child tells what it does, when it beats, then it lives, and tells it again."""
    child = place.child("w1")
    admin, key = place.store.client, place.store.keys.worker("w1")
    admin.delete(key)
    _ = admin.set(key, "x") if kind == "string" else admin.lpush(key, "x")
    heartbeat = Heartbeat(place.channel, "box")
    assert heartbeat.send(child, monotonic())
    assert admin.hget(key, "host") == b"box"
    assert not place.channel.is_down


def test_a_child_that_can_not_beat_hinders_no_other(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given three children of which the first's reserved list is another key, then the others beat, and the log says it once."""
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
