"""The children of all channels: starts and stops them to reach the wanted numbers, and settles the messages of those that have exited."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

from taskq.clock import monotonic
from taskq.config import ChannelSettings, Settings
from taskq.driver.contract import Rescue
from taskq.driver.load import reviver
from taskq.logs import count_of
from taskq.scoreboard.state import Phase
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.duties import Duties
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.plan import Plan, check_channel
from taskq.supervisor.processes.child import Child, Death
from taskq.supervisor.processes.generation import Generation
from taskq.supervisor.processes.zygote import Spawn
from taskq.supervisor.reap import crash_events, settle_dead
from taskq.supervisor.reload import changed_settings, check_changes
from taskq.supervisor.rules import respawn_pause, start_pause
from taskq.wire.signing import result_signer
from taskq.worker_id import is_surely_dead, machine_name, machine_tag, new_worker_id

__all__ = ["Children"]

_log = logging.getLogger("taskq.supervisor")


class Children:
    """The children of a worker, in channels."""

    def __init__(self, emit: Callable[[str, Any], None], reload: Literal["rolling", "at once", "interrupt"] = "rolling") -> None:
        self.host = machine_name()
        self.tag = machine_tag()
        self.channels: dict[str, Duties] = {}
        #: True once a job has failed permanently.
        self.failed = False
        self._plan: Plan | None = None
        self._emit = emit
        self._reload = reload

    @property
    def url(self) -> str:
        """The URL of the server."""
        assert self._plan is not None
        return self._plan.url

    def open(self, plan: Plan) -> None:
        """Set up the channels, without children, and rescue the messages of exited workers of this machine."""
        self._plan = plan
        for settings in plan.channels.values():
            self._open(plan, settings, plan.processes[settings.name])

    def _open(self, plan: Plan, settings: ChannelSettings, count: int) -> None:
        signer = result_signer(plan.settings, settings.channel)
        channel = ChannelState(settings, plan.url, count, reviver(plan.settings), signer)
        self.channels[settings.name] = duties = Duties(channel, self.host, self._emit)
        duties.rescue.at_start(lambda worker: is_surely_dead(worker, self.tag))

    def alive(self) -> list[Child]:
        """Return every child whose exit has not been reported."""
        return [child for duties in self.channels.values() for child in duties.channel.children.values()]

    def are_ready(self) -> bool:
        """Return True if every channel has its wanted processes, and they have started."""
        return all(
            sum(child.pid is not None and child.slot.phase is not Phase.STARTING for child in duties.channel.children.values())
            >= duties.channel.wanted
            for duties in self.channels.values()
        )

    # ---- reload

    def count_for(self, channels: Mapping[str, ChannelSettings], options: WorkerOptions) -> dict[str, int]:
        """Return how many processes the channels of a reloaded app should have. SIGTTIN and SIGTTOU apply unless the setting changes."""
        counts = {}
        for name, settings in channels.items():
            duties = self.channels.get(name)
            is_same = duties is not None and not duties.is_removed and duties.channel.settings.processes == settings.processes
            counts[name] = duties.channel.wanted if duties is not None and is_same else options.processes or settings.processes
        return counts

    def check(self, settings: Settings, channels: Mapping[str, ChannelSettings]) -> None:
        """Check the settings of a reloaded app.

        Raises:
            ConfigError: a running worker can't use them.
            ServerError: the server doesn't serve a new channel.
        """
        assert self._plan is not None
        known = {name: duties.channel.settings for name, duties in self.channels.items()}
        check_changes(self._plan.settings, settings, known, channels)
        for name in channels.keys() - known.keys():
            check_channel(self._plan.url, channels[name])

    def change(self, app_settings: Settings, channels: Mapping[str, ChannelSettings], counts: Mapping[str, int]) -> None:
        """Use the channels and settings of a reloaded app for new processes."""
        assert self._plan is not None
        self._plan = msgspec.structs.replace(self._plan, settings=app_settings)
        for name, settings in channels.items():
            count = count_of(counts[name], "process")
            if name not in self.channels:
                self._open(self._plan, settings, counts[name])
                _log.info("channel %s: new, %s", name, count)
                continue
            duties = self.channels[name]
            if changed := changed_settings(duties.channel.settings, settings):
                _log.info("channel %s: changed settings: %s", name, ", ".join(changed))
            if counts[name] != duties.channel.wanted:
                _log.info("channel %s: %s", name, count)
            duties.is_removed, duties.channel.wanted = False, counts[name]
            duties.channel.change(settings, result_signer(app_settings, settings.channel))
        for name in self.channels.keys() - channels.keys():
            duties = self.channels[name]
            if not duties.is_removed:
                _log.info("channel %s: no longer in the app; stopping its processes", name)
            duties.is_removed, duties.channel.wanted = True, 0

    def _close_removed(self, removed: Iterable[Duties]) -> None:
        """Close channels that the app no longer has, once nothing is left to do for them."""
        for duties in removed:
            channel = duties.channel
            if not channel.children and not channel.pending and not channel.exited:
                self._note_failed(channel)
                duties.close()
                del self.channels[channel.name]

    # ---- numbers of processes

    def keep_wanted(self, newest: Generation, now: float, channels: Collection[Duties]) -> None:
        """Start or stop children of channels to reach the wanted numbers, and let the children of the newest zygote take over."""
        for duties in channels:
            channel = duties.channel
            staying = [child for child in channel.children.values() if child.kill_at is None and not child.leaving]
            if len(staying) < channel.wanted and now >= channel.spawn_after:
                self._spawn(newest, duties, channel.wanted - len(staying))
            for child in staying[channel.wanted :]:
                child.ask_to_stop(now + channel.settings.stop_timeout)
            if self._reload == "rolling":
                duties.replace_old(newest.number, now)
            else:
                duties.replace_all_old(newest.number, now, interrupt=self._reload == "interrupt")
        self._close_removed([duties for duties in channels if duties.is_removed])

    def scale(self, by: int) -> None:
        """Change the number of children of every channel by `by`; at least one remains."""
        for duties in [one for one in self.channels.values() if not one.is_removed]:
            duties.channel.wanted = max(1, duties.channel.wanted + by)
            _log.info("channel %s: scaled to %s", duties.channel.name, count_of(duties.channel.wanted, "process"))

    def _spawn(self, generation: Generation, duties: Duties, count: int) -> None:
        assert self._plan is not None
        settings = duties.channel.settings
        for _ in range(count):
            slot_index = generation.slots.take()
            if slot_index is None:
                _log.warning("process limit (%d) reached; restart the worker with a higher `processes`", len(generation.slots))
                duties.channel.wanted = len(duties.channel.children)
                return
            slot = generation.slots[slot_index]
            slot.clear()
            worker = new_worker_id(self.host, self.tag, lease=settings.lease, concurrency=settings.concurrency)
            child = Child(slot_index, worker, duties.channel.name, slot, generation.number, signer=duties.channel.signer)
            duties.channel.children[worker] = generation.children[slot_index] = child
            # Registered before it starts: it may reserve at once.
            duties.heartbeat.send(child, monotonic())
            generation.spawn(Spawn(slot_index, worker, settings, self._plan.url))

    # ---- start and exit

    def on_start(self, child: Child, pid: int) -> None:
        """Note that a child was forked."""
        child.pid = pid
        self.channels[child.channel].heartbeat.send(child, monotonic())  # show its process id to operators at once
        if child.kill_at is not None:  # it was asked to stop before it had a process
            child.ask_again()

    def on_exit(self, generation: Generation, child: Child, death: Death) -> None:
        """Settle the messages of a child that has exited."""
        channel = self.channels[child.channel].channel
        now = monotonic()
        child.end_leftovers()
        settle_dead(channel, child, death, now)
        for event in crash_events(child, death, now):
            self._emit("crashed", event)
        channel.remember(child.worker)
        self._remove(generation, child)
        self._note_failed(channel)
        pause = respawn_pause(channel.crashes, now)
        if pause:
            _log.error("channel %s: %d crashes in a short time; next process starts in %g s", channel.name, len(channel.crashes), pause)
        if wait := start_pause(channel.failed_starts):
            _log.error("channel %s: worker process %s could not start; next attempt in %g s", channel.name, child.worker, wait)
        if pause or wait:
            channel.spawn_after = now + max(pause, wait)

    def _note_failed(self, channel: ChannelState) -> None:
        self.failed = self.failed or channel.past_counts[1] > 0

    def withdraw(self, generation: Generation) -> None:
        """Remove the children that the zygote has not been asked to fork yet."""
        for spawn in generation.withdraw():
            self._remove_unforked(generation, generation.children[spawn.slot_index])

    def on_lost(self, generation: Generation) -> None:
        """Settle the messages of all children of a zygote that has exited."""
        for child in list(generation.children.values()):
            if child.pid is None and not child.slot.running():
                # It may have been forked, and have waited for a message, without a report of it.
                self._remove_unforked(generation, child, may_have_run=True)
            else:
                self.on_exit(generation, child, Death(None))

    def _remove_unforked(self, generation: Generation, child: Child, *, may_have_run: bool = False) -> None:
        channel = self.channels[child.channel].channel
        channel.insist(child.worker, channel.driver.rescue(Rescue(child.worker, stays=may_have_run)))  # which unregisters it otherwise
        if may_have_run:
            channel.remember(child.worker)
        self._remove(generation, child)

    def _remove(self, generation: Generation, child: Child) -> None:
        del self.channels[child.channel].channel.children[child.worker]
        del generation.children[child.slot_index]
        generation.slots.free(child.slot_index)

    # ---- stop

    def ask_to_stop(self, now: float) -> None:
        """Ask every child to stop after its running job."""
        for duties in self.channels.values():
            for child in duties.channel.children.values():
                child.ask_to_stop(now + duties.channel.settings.stop_timeout)

    def kill_overdue(self, now: float, cause: str | None, channels: Iterable[Duties]) -> None:
        """Kill the children of channels that were asked to stop and whose time is over. The log reports the cause."""
        for child in [child for duties in channels for child in duties.channel.children.values()]:
            if child.kill_at is not None and now > child.kill_at and child.killed_for is None:
                child.stop_cause = cause or child.stop_cause
                child.kill("stop")

    def has_pending_acks(self) -> bool:
        """Return True while acks of exited children are pending."""
        return any(
            command.move == "ack"
            for duties in self.channels.values()
            for commands in duties.channel.pending.values()
            for command in commands
        )

    def close(self) -> None:
        """Send the pending commands, and close the connections."""
        for name, duties in self.channels.items():
            duties.channel.send_last()
            self._note_failed(duties.channel)
            if duties.channel.pending:
                _log.warning("channel %s: server unreachable at shutdown; reserved messages are rescued after the lease", name)
            duties.close()
