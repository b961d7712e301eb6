"""The process manager: the zygotes and, through them, the children of every channel."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from taskq.clock import monotonic
from taskq.driver.load import reviver
from taskq.errors import AppError
from taskq.jobs.builtin import CALL, OBJECT
from taskq.logs import count_of
from taskq.queue import Queue
from taskq.scoreboard.slot import Scoreboard
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.duties import Duties
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.plan import Plan
from taskq.supervisor.processes.child import Child, Death
from taskq.supervisor.processes.fork import make_lock
from taskq.supervisor.processes.generation import Generation, RespawnPolicy
from taskq.supervisor.processes.liveness import ANSWER_SECONDS, Liveness
from taskq.supervisor.processes.zygote import AppInfo, Exited, Failed, Inheritance, Spawn, Started
from taskq.supervisor.reap import settle_dead
from taskq.supervisor.rules import respawn_pause, start_pause
from taskq.worker_id import is_surely_dead, machine_name, machine_tag, new_worker_id

__all__ = ["ProcessManager"]

_log = logging.getLogger("taskq.supervisor")
#: Slots for children beyond the settings (for SIGTTIN). Twice as many are created: a rolling restart has old and new children at once.
_SPARE = 16
#: Slots at the start: only a larger number costs a second import of the app.
_USUAL = 32


class ProcessManager:
    """The zygotes of a worker and the children of its channels. Keeps the wanted number of children running."""

    def __init__(self, source: str | Queue, options: WorkerOptions, poke_fd: int, forget: Callable[[], None]) -> None:
        self.host = machine_name()
        self.channels: dict[str, Duties] = {}
        self.generations: list[Generation] = []
        #: True once a job has failed permanently.
        self.failed = False
        self._source = source
        self._options = options
        self._poke_fd = poke_fd
        self._forget_more = forget
        self._tag = machine_tag()
        self._url = ""
        self._liveness = Liveness()
        self._stopping = False
        self._respawn = RespawnPolicy()
        self._make_scoreboard(max(options.processes or 0, _USUAL))

    def make_room(self, processes: int) -> bool:
        """Provide a slot for each child. Return False if there were too few: the zygotes, which inherit the slots, were ended."""
        if processes <= len(self._scoreboard) // 2 - _SPARE:
            return True
        for generation in list(self.generations):
            self.drop(generation)
        self._make_scoreboard(processes)
        return False

    def _make_scoreboard(self, processes: int) -> None:
        self._scoreboard = Scoreboard([make_lock() for _ in range(2 * (processes + _SPARE))])

    def start(self, plan: Plan) -> None:
        """Set up the channels, rescue the messages of exited workers of this machine, and start the children."""
        self._url = plan.url
        for settings in plan.channels.values():
            channel = ChannelState(settings, plan.url, plan.processes[settings.name], reviver(plan.settings))
            self.channels[settings.name] = Duties(channel, self.host, self.emit)
        for duties in self.channels.values():
            duties.rescue.at_start(lambda worker: is_surely_dead(worker, self._tag))
        newest = self.generations[-1]
        self._pass_on(newest.app)
        newest.listen()
        self.keep_wanted()

    # ---- zygotes

    def new_generation(self) -> Generation:
        """Fork a zygote, which imports the app."""
        number = self._respawn.begin()
        inheritance = Inheritance(self._scoreboard, self._poke_fd, os.getpid(), self._forget)
        generation = Generation(number, self._source, self._options, inheritance)
        self.generations.append(generation)
        return generation

    def _forget(self) -> None:
        """Close the supervisor's connections, in a new zygote."""
        for duties in self.channels.values():
            duties.close()
        for generation in self.generations:
            generation.connection.close()
        self._forget_more()

    def drop(self, generation: Generation) -> None:
        """End a zygote and its remaining children."""
        self.generations.remove(generation)
        generation.end()

    def on_message(self, generation: Generation, report: Any) -> None:
        """Handle a report of a zygote.

        Raises:
            AppError: the app can't be reloaded, and no zygote has the old one.
        """
        if isinstance(report, Started):
            generation.answered()
            self._on_start(report)
        elif isinstance(report, Exited):
            child = self._child(report.slot_index)
            if not report.pid:  # it could not fork
                generation.answered()
            if child is not None and (child.pid or 0) == report.pid:  # otherwise it was settled before, and its slot reused
                self._on_exit(child, Death(report.status, report.maxrss))
        elif isinstance(report, AppInfo):
            generation.app = report
            _log.info("rolling restart: app reloaded (%s), replacing processes one by one", count_of(len(report.jobs), "job"))
            self._pass_on(report)
            generation.listen()
        elif isinstance(report, Failed):
            self._on_failure(generation, report.text)
        elif report is None:
            self._on_lost(generation)

    def _pass_on(self, app: AppInfo | None) -> None:
        """Pass the jobs and listeners of the loaded application to the services."""
        if app is None:
            return
        for duties in self.channels.values():
            duties.unpark.jobs = frozenset(app.jobs) | {OBJECT, CALL}
            duties.unpark.due = 0.0
            duties.lengths.listened = "queue_length" in app.listened
            duties.lengths.due = 0.0

    def _on_lost(self, generation: Generation) -> None:
        """Handle the exit of a zygote, and of its children with it."""
        for child in self.alive():
            if child.zygote == generation.number:
                self._on_exit(child, Death(None))
        if generation.app is None:
            self._on_failure(generation, "the process that imports it died")
            return
        if self.generations[-1] is generation and not self._stopping:
            pause = self._respawn.died(monotonic())
            _log.error("the zygote (pid %d) died; starting another%s", generation.pid, f" in {pause:g} s" if pause else "")
        self.drop(generation)

    def _on_failure(self, generation: Generation, reason: str) -> None:
        """Handle an app that can't be reloaded."""
        self.drop(generation)
        if not any(one.app is not None for one in self.generations):
            raise AppError(f"the zygote died, and the app can't be reloaded: {reason}")
        _log.error("rolling restart failed, keeping the old code: %s", reason)

    # ---- children

    def alive(self) -> list[Child]:
        """Return every child whose exit has not been reported."""
        return [child for duties in self.channels.values() for child in duties.channel.children.values()]

    def keep_wanted(self) -> None:
        """Start or stop children to reach the wanted number, and let the children of a new zygote take over."""
        now = monotonic()
        if self._respawn.is_due(now):
            self.new_generation()
        ready = [one for one in self.generations if one.app is not None]
        if not ready:
            return
        newest = ready[-1]
        for duties in self.channels.values():
            channel = duties.channel
            staying = [child for child in channel.children.values() if child.kill_at is None and not child.leaving]
            for _ in range(channel.wanted - len(staying)):
                if now < channel.spawn_after or not self._spawn(newest, duties):
                    break
            for child in staying[channel.wanted :]:
                child.ask_to_stop(now + channel.settings.stop_timeout)
            duties.replace_old(newest.number, now)
        self._retire(one for one in ready if one is not newest)

    def scale(self, by: int) -> None:
        """Change the number of children of every channel by `by`; at least one remains."""
        for duties in self.channels.values():
            duties.channel.wanted = max(1, duties.channel.wanted + by)
            _log.info("channel %s: scaled to %s", duties.channel.name, count_of(duties.channel.wanted, "process"))

    def ask_to_stop(self, now: float) -> None:
        """Ask every child to stop after its running job. From now on no child is replaced."""
        self._stopping = True
        for duties in self.channels.values():
            for child in duties.channel.children.values():
                child.ask_to_stop(now + duties.channel.settings.stop_timeout)

    def kill_overdue(self, now: float, cause: str = "at stop_timeout") -> None:
        """Kill the children that were asked to stop and whose time is over. The log reports the cause."""
        for child in self.alive():
            if child.kill_at is not None and now > child.kill_at and child.killed_for is None:
                child.stop_cause = cause
                child.kill("stop")
        # A child without a process never gets one if its zygote hangs.
        late = {child.zygote for child in self.alive() if child.pid is None and child.kill_at is not None and now > child.kill_at}
        for generation in [one for one in self.generations if self._stopping and one.number in late]:
            generation.kill()
            self._on_lost(generation)

    def watch(self, now: float) -> None:
        """Reap children whose exit a hung zygote did not report, and replace that zygote."""
        if not self._liveness.is_due(now):
            return
        dead, stuck = self._liveness.look(self.alive(), self.generations, now)
        for child in dead:
            for generation in self.generations:
                generation.is_mute = generation.is_mute or generation.number == child.zygote
            self._on_exit(child, Death(None, unknown="has exited (its zygote hangs, so the exit status is unknown)"))
        for generation in stuck:
            _log.error("killing zygote (pid %d): no fork for %g s", generation.pid, ANSWER_SECONDS)
            generation.kill()
            self._on_lost(generation)

    def has_pending_acks(self) -> bool:
        """Return True while acks of exited children are pending."""
        return any(command.move == "ack" for duties in self.channels.values() for command in duties.channel.pending)

    def emit(self, name: str, event: Any) -> None:
        """Emit a worker-wide event to the listeners of the newest zygote."""
        for generation in reversed(self.generations):
            if generation.app is not None:
                generation.emit(name, event)
                return

    def close(self) -> None:
        """End the zygotes, and send the pending commands."""
        for name, duties in self.channels.items():
            duties.channel.send_last()
            if duties.channel.pending:
                _log.warning("channel %s: server unreachable at shutdown; reserved messages are rescued after the lease", name)
            duties.close()
        for generation in list(self.generations):
            self.drop(generation)

    def _retire(self, old: Iterable[Generation]) -> None:
        for generation in old:
            if not any(child.zygote == generation.number for child in self.alive()):
                self.drop(generation)
                # A message unparked for the new code may have reached a child with the old code, and been parked again.
                for duties in self.channels.values():
                    duties.unpark.due = 0.0

    def _spawn(self, generation: Generation, duties: Duties) -> bool:
        used = {child.slot_index for child in self.alive()}
        slot_index = next((one for one in range(len(self._scoreboard)) if one not in used), None)
        if slot_index is None:
            _log.warning("process limit (%d) reached; restart the worker with a higher `processes`", len(self._scoreboard))
            duties.channel.wanted = len(duties.channel.children)
            return False
        slot = self._scoreboard[slot_index]
        slot.clear()
        settings = duties.channel.settings
        worker = new_worker_id(self.host, self._tag, lease=settings.lease, concurrency=settings.concurrency)
        child = Child(slot_index, worker, duties.channel.name, slot, generation.number)
        duties.channel.children[slot_index] = child
        # Registered before it starts: it may reserve at once.
        duties.heartbeat.send(child, monotonic())
        return generation.spawn(Spawn(slot_index, worker, settings, self._url))

    def _on_start(self, report: Started) -> None:
        child = self._child(report.slot_index)
        if child is None:
            return
        child.pid = report.pid
        self.channels[child.channel].heartbeat.due = 0.0  # show its process id to operators at once
        if child.kill_at is not None:  # it was asked to stop before it had a process
            child.ask_again()

    def _on_exit(self, child: Child, death: Death) -> None:
        channel = self.channels[child.channel].channel
        now = monotonic()
        child.end_leftovers()
        settle_dead(channel, child, death, now)
        channel.remember(child.worker)
        del channel.children[child.slot_index]
        self.failed = self.failed or channel.counts()[1] > 0
        pause = respawn_pause(channel.crashes, now)
        if pause:
            _log.error("channel %s: %d crashes in a short time; next process starts in %g s", channel.name, len(channel.crashes), pause)
        if wait := start_pause(channel.failed_starts):
            _log.error("channel %s: worker process %s could not start; next attempt in %g s", channel.name, child.worker, wait)
        if pause or wait:
            channel.spawn_after = now + max(pause, wait)

    def _child(self, slot_index: int) -> Child | None:
        return next((child for child in self.alive() if child.slot_index == slot_index), None)
