"""The checks of a server, by what it tells of itself."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.doctor.facts import ServerFacts
from taskq.doctor.finding import Finding, Level, exit_code
from taskq.doctor.server import SERVER_CHECKS
from taskq.doctor.versions import fixed_in

SOUND = {
    "redis_version": "7.2.4",
    "valkey_version": "9.1.2",
    "role": "master",
    "aof_enabled": "1",
    "maxmemory_policy": "noeviction",
    "used_memory": "1000000",
    "maxmemory": "0",
    "total_system_memory": "8000000000",
    "connected_clients": "3",
}
CONFIG = {"save": "", "appendfsync": "always", "maxclients": "10000"}


def _findings(config: dict[str, str] | None = None, **info: Any) -> dict[str, Finding]:
    """Check a sound server of which some things are otherwise. None takes a thing away."""
    reported = {name: str(value) for name, value in {**SOUND, **info}.items() if value is not None}
    facts = ServerFacts("redis://box", reported, CONFIG if config is None else {**CONFIG, **config}, 0.001, 0.002, 0.0)
    return {finding.check: finding for check in SERVER_CHECKS for finding in check(facts)}


def test_a_sound_server_is_good() -> None:
    """Given a server as it should be, then every check says so."""
    found = _findings()
    assert {finding.level for finding in found.values()} == {Level.GOOD}
    assert exit_code(list(found.values())) == 0
    assert not any(finding.advice for finding in found.values())


@pytest.mark.parametrize(
    ("info", "config", "check", "level", "output"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, {}, "eviction", Level.LOSES, "it drops whole channels as soon as `maxmemory` is set"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 10**9}, {}, "eviction", Level.LOSES, "it drops whole channels"),
        ({"maxmemory_policy": "volatile-ttl"}, {}, "eviction", Level.LOSES, "markers"),
        ({"aof_enabled": "0"}, {}, "persistence", Level.LOSES, "stores nothing on disk"),
        ({"aof_enabled": "0"}, {"save": "3600 1"}, "persistence", Level.NOTE, "only saves snapshots (save 3600 1)"),
        ({}, {"appendfsync": "everysec"}, "persistence", Level.NOTE, "can lose the jobs of about a second"),
        ({}, {"appendfsync": "no"}, "persistence", Level.NOTE, "a crash of the server alone loses none"),
        ({"aof_last_write_status": "err"}, {}, "disk", Level.LOSES, "couldn't write its append-only file"),
        ({"rdb_last_bgsave_status": "err"}, {}, "disk", Level.LOSES, "couldn't write its last snapshot"),
        ({"loading": "1"}, {}, "persistence", Level.UNUSABLE, "is loading"),
        ({"role": "slave", "master_host": "m", "master_port": "1"}, {}, "role", Level.UNUSABLE, "replica of m:1"),
        ({"connected_slaves": "2"}, {}, "role", Level.NOTE, "replicas: 2"),
        ({"maxmemory": "1100000"}, {}, "memory", Level.NOTE, "(maxmemory) are used"),
        ({"used_memory": "7000000000"}, {}, "memory", Level.NOTE, "of the machine's"),
        ({"connected_clients": "90"}, {"maxclients": "100"}, "clients", Level.NOTE, "90 of at most 100"),
        ({"valkey_version": "8.1.3"}, {}, "version", Level.NOTE, "CVE-2025-49844"),
        ({"valkey_version": None, "redis_version": "7.0.15"}, {}, "version", Level.NOTE, "Redis 7.0.15"),
        ({"valkey_version": None, "redis_version": "6.0.9"}, {}, "version", Level.UNUSABLE, "too old"),
        ({"valkey_version": None, "redis_version": None}, {}, "version", Level.NOTE, "doesn't report its version"),
    ],
)
def test_what_is_wrong_is_reported(info: dict[str, Any], config: dict[str, str], check: str, level: Level, output: str) -> None:
    """Given one thing that isn't as it should be, then that check tells it, and what to do."""
    finding = _findings(config, **info)[check]
    assert (finding.level, output in finding.text, bool(finding.advice)) == (level, True, True), finding


def test_what_may_not_be_asked_is_no_loss() -> None:
    """Given a server that doesn't let CONFIG be read, then nobody claims that it loses jobs."""
    reported = {**SOUND, "aof_enabled": "0"}
    facts = ServerFacts("redis://box", reported, None, 0.001, 0.002, 0.0)
    found = [finding for check in SERVER_CHECKS for finding in check(facts)]
    assert exit_code(found) == 0
    assert any("no permission to read CONFIG" in finding.text for finding in found)


@pytest.mark.parametrize(
    ("latency", "ahead", "check", "output"), [(0.02, 0.0, "latency", "20.00 ms"), (0.001, -4.0, "clock", "4.0 s behind")]
)
def test_a_slow_server_and_a_wrong_clock(latency: float, ahead: float, check: str, output: str) -> None:
    """Given a server far away, or one with another time, then it is noted."""
    facts = ServerFacts("redis://box", SOUND, CONFIG, latency, latency, ahead)
    (finding,) = [finding for one in SERVER_CHECKS for finding in one(facts) if finding.check == check]
    assert finding.level is Level.NOTE
    assert output in finding.text


@pytest.mark.parametrize(
    ("name", "version", "fix"),
    [
        ("Redis", "6.2.14", "6.2.20"),
        ("Redis", "6.2.20", None),
        ("Redis", "7.0.15", "7.2.11"),
        ("Redis", "7.2.11", None),
        ("Redis", "7.4.5", "7.4.6"),
        ("Redis", "8.0.3", "8.0.4"),
        ("Redis", "8.2.1", "8.2.2"),
        ("Redis", "8.4.0", None),
        ("Valkey", "7.2.10", "7.2.11"),
        ("Valkey", "8.0.6", None),
        ("Valkey", "8.1.3", "8.1.4"),
        ("Valkey", "9.0.0", None),
        ("Dragonfly", "1.0.0", None),
    ],
)
def test_versions_with_known_holes(name: str, version: str, fix: str | None) -> None:
    """Given a version, then the one to update to is told, or that there is nothing to do."""
    assert fixed_in(name, version) == fix
