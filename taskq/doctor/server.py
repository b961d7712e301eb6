"""The checks of a server. Each takes what the server told of itself and returns findings; none asks anything."""

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
        yield note(_AREA, "version", "it doesn't tell its version", "taskq needs Redis 6.2 or later, or Valkey: make sure that it is")
        return
    numbers = tuple(int(part) for part in facts.info.get("redis_version", "0").split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        yield unusable(
            _AREA, "version", f"{name} {version} is too old", "use Redis 6.2 or later, or Valkey: the moves are made with its commands"
        )
        return
    better = fixed_in(name, version)
    if better is None:
        yield good(_AREA, "version", f"{name} {version}")
        return
    yield note(
        _AREA,
        "version",
        f"{name} {version} lets whoever may send scripts run code on it ({HOLES})",
        f"update to {better} or later, unless your distribution has mended this version (its changelog names the CVE numbers)",
    )


def _role(facts: ServerFacts) -> Iterator[Finding]:
    if facts.info.get("role") == "slave":
        master = f"{facts.info.get('master_host', '?')}:{facts.info.get('master_port', '?')}"
        yield unusable(
            _AREA,
            "role",
            f"it is a replica of {master}: nothing can be pushed or worked there (READONLY)",
            "write the master's address into `url`, or a redis+sentinel:// URL, which finds the master by itself",
        )
    elif facts.number("connected_slaves"):
        yield note(
            _AREA,
            "role",
            f"it is a master; replicas: {facts.number('connected_slaves')}",
            "replication lags behind: a failover loses what the new master hadn't received yet, also pushes that were answered",
        )


def _persistence(facts: ServerFacts) -> Iterator[Finding]:
    if facts.info.get("loading", "0") not in ("0", ""):
        yield unusable(_AREA, "persistence", "it is loading its data", "try again when it has: until then it serves nobody")
        return
    save = None if facts.config is None else facts.config.get("save", "")
    if facts.info.get("aof_enabled") == "1":
        yield from _append_only(facts)
    elif save is None:
        yield note(
            _AREA,
            "persistence",
            "it has no append-only file, and doesn't tell whether it saves snapshots (CONFIG may not be read)",
            "see that it keeps its data over a restart: with `appendonly yes`, or as its provider names it",
        )
    elif save:
        yield note(
            _AREA,
            "persistence",
            f"it only saves snapshots (save {save})",
            "a crash loses every job that was pushed since the last snapshot: set `appendonly yes`",
        )
    else:
        yield loses(
            _AREA,
            "persistence",
            "it keeps nothing on disk: a restart or a crash loses every job",
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
            f"append-only file, appendfsync {fsync}: a power cut can lose the jobs of {lost}; a crash of the server alone can't"
            if fsync == "no"
            else f"append-only file, appendfsync {fsync}: a power cut or a crash can lose the jobs of {lost}",
            "that is enough for most; `appendfsync always` loses nothing, at about a third of the single pushes a second",
        )


def _trouble_with_disk(facts: ServerFacts) -> Iterator[Finding]:
    for key, what in (("aof_last_write_status", "append-only file"), ("rdb_last_bgsave_status", "last snapshot")):
        if facts.info.get(key, "ok") != "ok":
            yield loses(
                _AREA,
                "disk",
                f"it couldn't write its {what} ({key}: {facts.info[key]})",
                "look at its log and its disk (full? read-only?): until that is mended it may refuse every write, and a restart loses jobs",
            )


def _eviction(facts: ServerFacts) -> Iterator[Finding]:
    policy = facts.info.get("maxmemory_policy", "")
    if policy in ("", "noeviction"):
        if policy:
            yield good(_AREA, "eviction", "maxmemory-policy noeviction: when it is full, pushes are refused and nothing is dropped")
        return
    limit = "" if facts.number("maxmemory") else " as soon as `maxmemory` is set"
    what = "the markers by which a repeated push is known: it is stored twice" if policy.startswith("volatile") else "whole channels"
    yield loses(
        _AREA,
        "eviction",
        f"maxmemory-policy {policy}: when its memory is full it drops {what}{limit}",
        "set `maxmemory-policy noeviction`; if it serves as a cache too, give the jobs a server of their own",
    )


def _memory(facts: ServerFacts) -> Iterator[Finding]:
    used, limit, whole = facts.number("used_memory"), facts.number("maxmemory"), facts.number("total_system_memory")
    mib = used >> 20
    if limit and used >= _FULL * limit:
        yield note(
            _AREA,
            "memory",
            f"{mib} of {limit >> 20} MiB (maxmemory) are used",
            "at the limit pushes raise QueueFull, while workers go on: work off the queue, or raise `maxmemory`",
        )
    elif whole and used >= _FULL * whole:
        yield note(
            _AREA,
            "memory",
            f"{mib} of the machine's {whole >> 20} MiB are used",
            "without memory left the system kills the server: work off the queue, or set `maxmemory` below what the machine has",
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
            "beyond that workers and pushes are turned away: raise `maxclients`, or see who opens so many",
        )


def _latency(facts: ServerFacts) -> Iterator[Finding]:
    text = f"it answers in {facts.latency * 1000:.2f} ms, at worst {facts.slowest * 1000:.1f} ms"
    if facts.latency < _SLOW:
        yield good(_AREA, "latency", text)
    else:
        advice = "each push costs one such round trip: bring them nearer to each other, or push many at once (push_many)"
        yield note(_AREA, "latency", text, advice)


def _clock(facts: ServerFacts) -> Iterator[Finding]:
    if abs(facts.ahead) < _CLOCK:
        yield good(_AREA, "clock", f"its clock and this machine's differ by {abs(facts.ahead) * 1000:.0f} ms")
        return
    yield note(
        _AREA,
        "clock",
        f"its clock is {abs(facts.ahead):.1f} s {'ahead of' if facts.ahead > 0 else 'behind'} this machine's",
        "set both by NTP: moments given with `at=` are this machine's, and run earlier or later by so much (delays are not affected)",
    )


#: In the order in which they are told.
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
