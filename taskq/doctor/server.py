"""The checks of a server. Each takes the facts and returns findings; no check talks to the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from taskq.doctor.facts import ServerFacts
from taskq.doctor.finding import Finding, good, loses, note, unusable
from taskq.doctor.versions import HOLES, fixed_in

__all__ = ["SERVER_CHECKS"]

_AREA = "server"
_SLOW = 0.005
_CLOCK = 1.0
_FULL = 0.8
_OLDEST = (6, 2)


def _version(facts: ServerFacts) -> Iterator[Finding]:
    name, version = "Redis", facts.info.get("redis_version", "")
    if "valkey_version" in facts.info:
        name, version = "Valkey", facts.info["valkey_version"]
    if not version:
        yield note(_AREA, "version", "it doesn't report its version", "taskq needs Redis 6.2 or later, or Valkey: check the version")
        return
    numbers = tuple(int(part) for part in facts.info.get("redis_version", "0").split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        yield unusable(_AREA, "version", f"{name} {version} is too old", "use Redis 6.2 or later, or Valkey: taskq needs its commands")
        return
    better = fixed_in(name, version)
    if better is None:
        yield good(_AREA, "version", f"{name} {version}")
        return
    yield note(
        _AREA,
        "version",
        f"in {name} {version}, users who may send scripts can run code on the server ({HOLES})",
        f"update to {better} or later, unless your distribution has patched this version (its changelog names the CVE numbers)",
    )


def _role(facts: ServerFacts) -> Iterator[Finding]:
    if facts.info.get("role") == "slave":
        master = f"{facts.info.get('master_host', '?')}:{facts.info.get('master_port', '?')}"
        yield unusable(
            _AREA,
            "role",
            f"it is a replica of {master}: it accepts no pushes and no workers (READONLY)",
            "set `url` to the primary's address, or to a redis+sentinel:// URL, which finds the primary automatically",
        )
    elif facts.number("connected_slaves"):
        yield note(
            _AREA,
            "role",
            f"it is a primary; replicas: {facts.number('connected_slaves')}",
            "replication is asynchronous: a failover loses pushes that the new primary has not received",
        )


def _persistence(facts: ServerFacts) -> Iterator[Finding]:
    if facts.info.get("loading", "0") not in ("0", ""):
        yield unusable(_AREA, "persistence", "it is loading its data", "try again later: until it has loaded them, it rejects all commands")
        return
    save = None if facts.config is None else facts.config.get("save", "")
    if facts.info.get("aof_enabled") == "1":
        yield from _append_only(facts)
    elif save is None:
        yield note(
            _AREA,
            "persistence",
            "it has no append-only file, and its snapshot settings are unknown (no permission to read CONFIG)",
            "make sure that its data survives a restart: set `appendonly yes`, or your provider's equivalent",
        )
    elif save:
        yield note(
            _AREA,
            "persistence",
            f"it only saves snapshots (save {save})",
            "a crash loses every job pushed since the last snapshot: set `appendonly yes`",
        )
    else:
        yield loses(
            _AREA,
            "persistence",
            "it stores nothing on disk: a restart or a crash loses every job",
            "set `appendonly yes` (CONFIG SET appendonly yes, and in its configuration file)",
        )
    yield from _trouble_with_disk(facts)


def _append_only(facts: ServerFacts) -> Iterator[Finding]:
    fsync = (facts.config or {}).get("appendfsync", "")
    lost = {"everysec": "about a second", "no": "about half a minute"}.get(fsync)
    if lost is None:
        yield good(_AREA, "persistence", f"append-only file{', appendfsync always' if fsync == 'always' else ''}")
    else:
        yield note(
            _AREA,
            "persistence",
            f"append-only file, appendfsync {fsync}: a power cut can lose the jobs of {lost}; a crash of the server alone loses none"
            if fsync == "no"
            else f"append-only file, appendfsync {fsync}: a power cut or a crash can lose the jobs of {lost}",
            "that is enough for most uses; `appendfsync always` loses nothing, at about a third of the single pushes per second",
        )


def _trouble_with_disk(facts: ServerFacts) -> Iterator[Finding]:
    for key, what in (("aof_last_write_status", "append-only file"), ("rdb_last_bgsave_status", "last snapshot")):
        if facts.info.get(key, "ok") != "ok":
            yield loses(
                _AREA,
                "disk",
                f"it couldn't write its {what} ({key}: {facts.info[key]})",
                "check its log and its disk (full? read-only?): until this is fixed, it may reject every write, and a restart loses jobs",
            )


def _eviction(facts: ServerFacts) -> Iterator[Finding]:
    policy = facts.info.get("maxmemory_policy", "")
    if policy in ("", "noeviction"):
        if policy:
            yield good(_AREA, "eviction", "maxmemory-policy noeviction: when memory is full, pushes fail and no data is dropped")
        return
    limit = "" if facts.number("maxmemory") else " as soon as `maxmemory` is set"
    what = "the markers of idempotent pushes: a repeated push is stored twice" if policy.startswith("volatile") else "whole channels"
    yield loses(
        _AREA,
        "eviction",
        f"maxmemory-policy {policy}: when its memory is full it drops {what}{limit}",
        "set `maxmemory-policy noeviction`; if the server is also a cache, use a separate server for jobs",
    )


def _memory(facts: ServerFacts) -> Iterator[Finding]:
    used, limit, whole = facts.number("used_memory"), facts.number("maxmemory"), facts.number("total_system_memory")
    mib = used >> 20
    if limit and used >= _FULL * limit:
        yield note(
            _AREA,
            "memory",
            f"{mib} of {limit >> 20} MiB (maxmemory) are used",
            "at the limit, pushes raise QueueFull while workers continue: add workers to drain the queue, or raise `maxmemory`",
        )
    elif whole and used >= _FULL * whole:
        yield note(
            _AREA,
            "memory",
            f"{mib} of the machine's {whole >> 20} MiB are used",
            "if memory runs out, the system kills the server: add workers, or set `maxmemory` below the machine's memory",
        )
    elif used:
        yield good(_AREA, "memory", f"{mib} MiB used, {f'of {limit >> 20} MiB' if limit else 'no limit set'}")


def _clients(facts: ServerFacts) -> Iterator[Finding]:
    most = (facts.config or {}).get("maxclients", "0")
    now = facts.number("connected_clients")
    if most.isdigit() and int(most) and now >= _FULL * int(most):
        yield note(
            _AREA,
            "clients",
            f"{now} of at most {most} connections are open",
            "above the limit, workers and pushes are rejected: raise `maxclients`, or find the client that opens most of them",
        )


def _latency(facts: ServerFacts) -> Iterator[Finding]:
    text = f"it answers in {facts.latency * 1000:.2f} ms, at worst {facts.slowest * 1000:.1f} ms"
    if facts.latency < _SLOW:
        yield good(_AREA, "latency", text)
    else:
        advice = "each push costs one round trip: move the server closer, or push in bulk (push_many)"
        yield note(_AREA, "latency", text, advice)


def _clock(facts: ServerFacts) -> Iterator[Finding]:
    if abs(facts.ahead) < _CLOCK:
        yield good(_AREA, "clock", f"its clock and this machine's differ by {abs(facts.ahead) * 1000:.0f} ms")
        return
    yield note(
        _AREA,
        "clock",
        f"its clock is {abs(facts.ahead):.1f} s {'ahead of' if facts.ahead > 0 else 'behind'} this machine's",
        "set both by NTP: times given with `at=` use this machine's clock and are off by this difference (delays are not affected)",
    )


#: In the order of the report.
SERVER_CHECKS: tuple[Callable[[ServerFacts], Iterator[Finding]], ...] = (
    _version,
    _role,
    _persistence,
    _eviction,
    _memory,
    _clients,
    _latency,
    _clock,
)
