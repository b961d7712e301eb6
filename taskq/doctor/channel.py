"""The checks of a channel: the types of its keys, its workers, and its backlog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.config.modules import unimported_module
from taskq.doctor.finding import Finding, good, loses, note
from taskq.driver.contract import Command, Driver
from taskq.driver.redis.checks import REMEDY, WrongKey
from taskq.errors import MalformedMessage
from taskq.wire.foreign import job_of
from taskq.wire.message import Message
from taskq.worker_id import lease_of

__all__ = ["check_channel"]

Call = Callable[[Command], Any]
_OLD, _OVERDUE = 60.0, 5.0
_RECENT_MS = 3_600_000
_NEARLY = 0.9
#: How many parked messages to read.
_LOOKED_AT = 10


def check_channel(call: Call, driver: Driver, settings: ChannelSettings, *, has_app: bool = False) -> Iterator[Finding]:
    """Check a channel. Changes nothing.

    Args:
        call: sends a command to the channel's server.
        driver: its moves.
        settings: its settings.
        has_app: True if this process has imported the app, with the modules of its jobs.
    """
    area = f"channel {settings.name}"
    wrong = list(_types(call, driver, area))
    yield from wrong
    if not wrong:
        yield from _Channel(call, driver, settings, area, has_app=has_app).findings()


def _types(call: Call, driver: Driver, area: str) -> Iterator[Finding]:
    for key, kind in driver.keys.kinds().items():
        found = call(Command("look at its keys", ("TYPE", key)))
        name = found.decode() if isinstance(found, bytes) else str(found)
        if name not in ("none", kind):
            yield loses(area, "keys", str(WrongKey(key, name, kind)), REMEDY)


class _Channel:
    """One look at a channel whose keys are sound."""

    def __init__(self, call: Call, driver: Driver, settings: ChannelSettings, area: str, *, has_app: bool) -> None:
        self._call = call
        self._driver = driver
        self._settings = settings
        self._area = area
        self._has_app = has_app
        seconds, micros = call(driver.time())
        self._now = int(seconds) * 1000 + int(micros) / 1000
        reply = call(driver.workers())
        self._beats = {worker.decode(errors="replace"): float(beat) for worker, beat in zip(reply[::2], reply[1::2], strict=True)}

    def findings(self) -> Iterator[Finding]:
        alive = sum(map(self._is_alive, self._beats))
        counts: dict[State, int] = {state: int(self._call(self._driver.count(state))) for state in State if state is not State.RESERVED}
        yield from self._workers(alive, counts)
        yield from self._oldest(alive, counts[State.WAITING])
        yield from self._overdue(alive)
        yield from self._aside(counts)
        yield from self._parked(counts[State.PARKED])
        yield from self._orphans()

    def _workers(self, alive: int, counts: dict[State, int]) -> Iterator[Finding]:
        lost = len(self._beats) - alive
        if alive:
            yield good(self._area, "workers", f"{alive} worker process{'' if alive == 1 else 'es'}, {counts[State.WAITING]} waiting")
        else:
            left = counts[State.WAITING] + counts[State.DELAYED]
            advice = f"start one: taskq worker --channel {self._settings.name}" if left else ""
            yield note(self._area, "workers", f"no worker consumes it; waiting or delayed: {_messages(left)}", advice)
        held = sum(int(self._call(self._driver.held(worker))) for worker in self._beats if not self._is_alive(worker))
        if lost and not alive and held:
            advice = "start a worker of the channel: it rescues them after the lease"
            yield note(
                self._area, "lost", f"{_messages(held)} reserved by {lost} worker{'' if lost == 1 else 's'} without heartbeats", advice
            )

    def _is_alive(self, worker: str) -> bool:
        # A heartbeat in the future: the server's clock was set back. A living worker soon sends another one.
        return abs(self._now - self._beats[worker]) < max(self._settings.lease, lease_of(worker)) * 1000

    def _oldest(self, alive: int, waiting: int) -> Iterator[Finding]:
        oldest = self._call(self._driver.page(State.WAITING, 0, 1)) if alive and waiting else []
        try:
            age = (self._now - Message(oldest[0]).pushed_at_ms) / 1000 if oldest and not Message(oldest[0]).is_foreign else 0.0
        except MalformedMessage:  # a message of another client that no worker has read yet: it has no age
            return
        if age > _OLD:
            yield note(
                self._area,
                "oldest",
                f"the oldest of {waiting} waiting messages was pushed {age:.0f} s ago",
                "the workers can't keep up: raise the channel's `processes`, or find the slow job with `taskq info --watch`",
            )

    def _overdue(self, alive: int) -> Iterator[Finding]:
        first = self._call(self._driver.page(State.DELAYED, 0, 1))
        late = (self._now - float(first[1])) / 1000 if first else 0.0
        if alive and late > _OVERDUE:
            yield note(
                self._area,
                "overdue",
                f"a delayed message is {late:.0f} s overdue although workers are running",
                "the supervisor does not promote due messages: check its log, and restart it",
            )

    def _aside(self, counts: dict[State, int]) -> Iterator[Finding]:
        for state in (State.FAILED, State.TIMEOUT):
            key, count = self._driver.keys.of(state), counts[state]
            if not count:
                continue
            recent = int(self._call(Command("count", ("ZCOUNT", key, str(self._now - _RECENT_MS), "+inf"))))
            limit = self._settings.failed_limit
            look = f"taskq list {self._settings.name} --state {state.value}"
            if count >= _NEARLY * limit:
                advice = f"above the limit, the oldest are deleted: inspect them ({look}), then reload or flush them"
                yield note(
                    self._area, state.value, f"{_messages(count)} in {state.value}, which keeps {limit}; {recent} in the last hour", advice
                )
            elif recent:
                yield note(
                    self._area,
                    state.value,
                    f"{_messages(count)} in {state.value}, {recent} of them in the last hour",
                    f"see why: {look}",
                )
            else:
                yield good(self._area, state.value, f"{_messages(count)} in {state.value}, none in the last hour")

    def _parked(self, parked: int) -> Iterator[Finding]:
        if parked:
            advice = f"start a worker whose app has the job; taskq list {self._settings.name} --state parked names the jobs"
            if modules := self._missing_modules():
                advice = f"the app doesn't import {', '.join(modules)}: add your modules to the setting `imports`. Otherwise, {advice}"
            yield note(self._area, "parked", f"{_messages(parked)} parked: no worker has had the job", advice)

    def _missing_modules(self) -> list[str]:
        """Return the modules of parked jobs that the app doesn't import, from a few messages. Imports nothing."""
        page = self._call(self._driver.page(State.PARKED, 0, _LOOKED_AT)) if self._has_app else []
        return sorted({module for raw in page[::2] if (module := unimported_module(job_of(raw)))})

    def _orphans(self) -> Iterator[Finding]:
        begin = self._driver.keys.reserved("")
        holders: set[str] = set()
        cursor: Any = b"0"
        while True:
            cursor, page = self._call(self._driver.scan_reserved(cursor))
            holders.update(key.decode(errors="replace").removeprefix(begin) for key in page)
            if cursor in (b"0", 0, "0"):
                break
        registered = {worker.decode(errors="replace") for worker in self._call(self._driver.workers())[::2]}
        for worker in sorted(holders - registered - set(self._beats)):
            held = int(self._call(self._driver.held(worker)))
            if held:
                yield loses(
                    self._area,
                    "orphans",
                    f"{_messages(held)} reserved by {worker}, which is not registered: no lease expires for it",
                    "start a worker of the channel: it searches for such messages within a minute, and rescues them",
                )


def _messages(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
