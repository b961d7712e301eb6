"""The service that finds the channels of patterns, such as "tenant-*": those that programs have pushed to."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from taskq.channel import State
from taskq.clock import monotonic
from taskq.config import ChannelSettings, Settings
from taskq.driver.load import reviver
from taskq.driver.registry import ANNOUNCE_SECONDS, announcement, channels_of, forget, registered
from taskq.logs import count_of
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.plan import Plan, chosen_patterns, with_options

__all__ = ["PatternChannels"]

_log = logging.getLogger("taskq.supervisor")
#: Seconds between two reads of the names, and between two checks for channels without messages.
_EVERY, _LOOK = 1.0, 60.0
#: A channel without messages is forgotten after this time. Its processes stay until programs that still push to it have announced it again.
_IDLE, _STAY = 3600.0, 2 * ANNOUNCE_SECONDS
_KEPT = (State.FAILED, State.TIMEOUT, State.PARKED)
_SHOWN = 5


class Consumed(Protocol):
    """Protocol of a channel that the worker consumes."""

    channel: ChannelState


class PatternChannels:
    """The channels that match patterns, and their connections. A channel that is empty for an hour is forgotten."""

    def __init__(self, options: WorkerOptions) -> None:
        self.due = 0.0
        #: The names of the found channels to consume.
        self.found: list[str] = []
        self._options = options
        #: The channels that the app or the options define.
        self._defined: Mapping[str, ChannelSettings] = {}
        self._settings: Settings | None = None
        self._registries: dict[str, ChannelState] = {}
        #: When a channel was first found without messages, and when its name had vanished from the server.
        self._empty: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._look_at = 0.0
        self._left_out = 0

    def planned(self, plan: Plan) -> Plan:
        """Return the plan of a worker that starts, with the channels that the server knows."""
        self.open(plan.settings, plan.url, plan.channels)
        self.look({})
        channels = self.merged(plan.settings)
        processes = {name: self._options.processes or settings.processes for name, settings in channels.items()}
        return msgspec.structs.replace(plan, channels=channels, processes=processes)

    def open(self, settings: Settings, url: str, defined: Mapping[str, ChannelSettings]) -> None:
        """Use the patterns of these settings from now on. `defined` are the channels that the app or the options define."""
        self.close()
        self._settings, self._defined, self.due = settings, defined, 0.0
        revive = reviver(settings)
        self._registries = {name: ChannelState(one, url, 0, revive) for name, one in chosen_patterns(settings, self._options).items()}
        self.found = [name for name in self.found if settings.pattern_of(name) in self._registries]

    def merged(self, settings: Settings, defined: Mapping[str, ChannelSettings] | None = None) -> dict[str, ChannelSettings]:
        """Return the channels to consume, by these settings: those that are defined, and the found ones that match a pattern."""
        patterns = chosen_patterns(settings, self._options)
        names = [name for name in self.found if settings.pattern_of(name) in patterns]
        found = {name: with_options(settings.channel_or_default(name), self._options) for name in names}
        return {**found, **(self._defined if defined is None else defined)}

    def close(self) -> None:
        """Close the connections."""
        for registry in self._registries.values():
            registry.link.close()

    def look(self, consumed: Mapping[str, Consumed], *, at_once: bool = False) -> bool:
        """Read the names if that is due. Return True if `found` has changed. `consumed` are the channels of the worker."""
        now = monotonic()
        if self._settings is None or not self._registries or (now < self.due and not at_once):
            return False
        self.due = now + _EVERY
        channels = {name: duties.channel for name, duties in consumed.items()}
        names: set[str] = set()
        for pattern, registry in self._registries.items():
            reply = registry.ask(registered(registry.driver))
            if reply is None:  # the server is unreachable
                return False
            names.update(channels_of(self._settings, pattern, reply))
        self._keep_vanished(names, channels, now)
        chosen = self._limited(names, self._settings.max_pattern_channels)
        if now >= self._look_at:
            self._look_at = now + _LOOK
            self._forget_empty(chosen, channels, now)
        has_changed, self.found = set(chosen) != set(self.found), chosen
        return has_changed

    def _limited(self, names: set[str], limit: int) -> list[str]:
        chosen = sorted(names, key=lambda name: (name not in self.found, name))[:limit]
        left_out = sorted(names - set(chosen))
        if len(left_out) > self._left_out:
            more = ", ..." if len(left_out) > _SHOWN else ""
            _log.warning(
                "max_pattern_channels = %d reached: not consuming %s (%s). Raise the limit, or start workers with --channel",
                *(limit, count_of(len(left_out), "channel"), ", ".join(left_out[:_SHOWN]) + more),
            )
        self._left_out = len(left_out)
        return chosen

    def _keep_vanished(self, names: set[str], channels: Mapping[str, ChannelState], now: float) -> None:
        """Keep a channel for a while that a worker has forgotten: a program may have pushed to it just then."""
        for name in self._gone.keys() & names:
            del self._gone[name]
        for name in set(self.found) - names:
            if now - self._gone.setdefault(name, now) < _STAY:
                names.add(name)
            elif name in channels and not _is_empty(channels[name]):
                names.add(name)
                registry = self._registry_of(name)
                registry.ask(announcement(registry.driver.keys, name))
            else:
                del self._gone[name]

    def _forget_empty(self, names: Iterable[str], channels: Mapping[str, ChannelState], now: float) -> None:
        for name in names:
            if name not in channels or name in self._gone or not _is_empty(channels[name]):
                self._empty.pop(name, None)
            elif now - self._empty.setdefault(name, now) >= _IDLE:
                _log.info("channel %s: no messages for %g minutes, forgetting it; the next push adds it again", name, _IDLE / 60)
                del self._empty[name]
                registry = self._registry_of(name)
                registry.ask(forget(registry.driver.keys, name))

    def _registry_of(self, name: str) -> ChannelState:
        assert self._settings is not None
        pattern = self._settings.pattern_of(name)
        assert pattern is not None
        return self._registries[pattern]


def _is_empty(channel: ChannelState) -> bool:
    """Return True if a channel has no message in any state, except for those that other workers run. False if that is unknown."""
    found = channel.ask(channel.driver.look(list(channel.children)))
    if found is None or any(found[:4]):
        return False
    return all(channel.ask(channel.driver.count(state)) == 0 for state in _KEPT)
