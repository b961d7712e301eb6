"""The process manager: the zygotes and, through them, the children of every channel."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable
from typing import Any

from taskq.clock import monotonic
from taskq.errors import AppError, TaskqError
from taskq.jobs.builtin import CALL, OBJECT
from taskq.logs import count_of
from taskq.polling import wait_for
from taskq.queue import Queue
from taskq.supervisor.banner import show_title
from taskq.supervisor.children import Children
from taskq.supervisor.duties import Duties
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.plan import Plan, choose
from taskq.supervisor.processes.child import Death
from taskq.supervisor.processes.generation import Generation, RespawnPolicy
from taskq.supervisor.processes.init import reap_orphans
from taskq.supervisor.processes.liveness import ANSWER_SECONDS, Liveness
from taskq.supervisor.processes.slots import Slots
from taskq.supervisor.processes.workdir import find_workdir
from taskq.supervisor.processes.zygote import AppInfo, Exited, Failed, Inheritance, Started
from taskq.supervisor.services.patterns import PatternChannels

__all__ = ["ProcessManager"]

_log = logging.getLogger("taskq.supervisor")
#: Slots at the start: only a larger number costs a second import of the app.
_USUAL = 32


class ProcessManager:
    """The zygotes of a worker, and the children that they fork."""

    def __init__(self, source: str | Queue, options: WorkerOptions, poke_fd: int, forget: Callable[[], None]) -> None:
        self.children = Children(self.emit, options.reload)
        self.channels = self.children.channels
        self.generations: list[Generation] = []
        #: Zygotes that were asked to exit. The heartbeats of the others must not wait for them.
        self._ending: list[Generation] = []
        self._source = source
        self._options = options
        self._poke_fd = poke_fd
        self._forget_more = forget
        self._workdir = find_workdir()
        self.liveness = Liveness()
        #: True if this is the first process of a container, but not in a program that runs a worker itself: it may have other children.
        self._is_init = os.getpid() == 1 and isinstance(source, str)
        self._stopping = False
        self._respawn = RespawnPolicy()
        #: False while a zygote can't fork: no process or memory is left.
        self._can_fork = True
        #: Why the last rolling restart has failed; "" if it has not.
        self.reload_error = ""
        self._slots = Slots(max(options.processes or 0, _USUAL))
        self.patterns = PatternChannels(options)

    def discover(self, *, at_once: bool = False) -> bool:
        """Start consuming the new channels of patterns, and stop with those that were forgotten. Return True if there are any."""
        app = self.generations[-1].app if self.generations else None
        if app is None or self.is_loading or not self.patterns.look(self.channels, at_once=at_once):
            return False
        channels = self.patterns.merged(app.settings)
        counts = self.children.count_for(channels, self._options)
        if self._slots.has_room(sum(counts.values())):
            new = channels.keys() - self.channels.keys()
            self.children.change(app.settings, channels, counts)
            self._pass_on(app, new)
        else:  # zygotes inherit the slots, so only another one can have more; when it is ready, `_on_reload` adds the channels
            _log.info("more channels than slots: restarting processes to make room")
            self._slots = Slots(2 * sum(counts.values()))
            self.new_generation()
        return True

    def make_room(self, processes: int) -> bool:
        """Provide a slot for each child. Return False if there were too few: the zygotes, which inherit the slots, were ended."""
        if self._slots.has_room(processes):
            return True
        for generation in list(self.generations):
            self.drop(generation)
        self._slots = Slots(processes)
        return False

    def start(self, plan: Plan) -> None:
        """Set up the channels, rescue the messages of exited workers of this machine, and start the children."""
        self.children.open(plan)
        newest = self.generations[-1]
        self._pass_on(newest.app)
        newest.listen()
        self.keep_wanted(self.channels.values())

    # ---- zygotes

    @property
    def is_loading(self) -> bool:
        """True while a zygote imports the app."""
        return any(one.app is None for one in self.generations)

    def new_generation(self) -> Generation:
        """Fork a zygote, which imports the app."""
        number = self._respawn.begin()
        inheritance = Inheritance(self._slots.scoreboard, self._poke_fd, os.getpid(), self._forget, self._workdir)
        generation = Generation(number, self._source, self._options, self._slots, inheritance)
        self.generations.append(generation)
        return generation

    def _forget(self) -> None:
        """Close the supervisor's connections, in a new zygote."""
        for duties in self.channels.values():
            duties.close()
        self.patterns.close()
        for generation in self.generations:
            generation.connection.close()
        self._forget_more()

    def drop(self, generation: Generation) -> None:
        """End a zygote and its remaining children."""
        self.generations.remove(generation)
        generation.begin_end()
        self._ending.append(generation)

    def read_reports(self, generation: Generation) -> None:
        """Handle the reports of a zygote that have arrived.

        Raises:
            AppError: the app can't be reloaded, and no zygote has the old one.
        """
        while generation in self.generations and wait_for([generation], 0):
            self._on_report(generation, generation.receive())

    def _on_report(self, generation: Generation, report: Any) -> None:
        if isinstance(report, Started | Exited):
            child = generation.children.get(report.slot_index)
            if isinstance(report, Started):
                generation.answered()
                self._can_fork = True
                if child is not None:
                    self.children.on_start(child, report.pid)
                return
            if not report.pid:
                generation.answered()
                self._can_fork = False
            if child is not None and (child.pid or 0) == report.pid:  # otherwise it was settled before, and its slot reused
                self.children.on_exit(generation, child, Death(report.status, report.maxrss, unknown="could not be forked"))
        elif isinstance(report, AppInfo):
            self._on_reload(generation, report)
        elif isinstance(report, Failed):
            self._on_failure(generation, report.text)
        elif report is None:
            self._on_lost(generation)

    def _on_reload(self, generation: Generation, app: AppInfo) -> None:
        """Let the reloaded app take over, with its channels and settings."""
        try:
            defined = choose(app, self._options)
            channels = self.patterns.merged(app.settings, defined)
            self.children.check(app.settings, channels)
        except TaskqError as error:
            self._on_failure(generation, str(error))
            return
        counts = self.children.count_for(channels, self._options)
        if not self._slots.has_room(sum(counts.values())):
            self.drop(generation)
            self._slots = Slots(sum(counts.values()))
            self.new_generation()
            return
        generation.app, self.reload_error = app, ""
        self.patterns.open(app.settings, self.children.url, defined)
        _log.info("rolling restart: app reloaded (%s), replacing processes", count_of(len(app.jobs), "job"))
        self.children.change(app.settings, channels, counts)
        show_title(channels)
        self._pass_on(app)
        generation.listen()

    def _pass_on(self, app: AppInfo | None, names: Iterable[str] | None = None) -> None:
        """Pass the jobs and listeners of the loaded application to the services of some channels. Default: all."""
        if app is None:
            return
        for duties in [self.channels[name] for name in names] if names is not None else self.channels.values():
            duties.unpark.jobs = frozenset(app.jobs) | {*app.aliases, OBJECT, CALL}
            duties.unpark.restart()
            duties.lengths.listened = "queue_length" in app.listened
            duties.lengths.due = 0.0

    def _on_lost(self, generation: Generation) -> None:
        """Handle the exit of a zygote, and of its children with it."""
        count = count_of(len(generation.children), "process")
        self.children.on_lost(generation)
        if generation.app is None:
            self._on_failure(generation, "the process that imports it died")
            return
        if self.generations[-1] is generation and not self._stopping:
            later = f" in {pause:g} s" if (pause := self._respawn.died(monotonic())) else ""
            _log.error("the zygote (pid %d) died, and its %s; starting another%s", generation.pid, count, later)
        self.drop(generation)

    def _on_failure(self, generation: Generation, reason: str) -> None:
        """Handle an app that can't be reloaded."""
        self.drop(generation)
        if not any(one.app is not None for one in self.generations):
            raise AppError(f"the zygote died, and the app can't be reloaded: {reason}")
        self.reload_error = reason
        _log.error("rolling restart failed, keeping the old code: %s", reason)

    def emit(self, name: str, event: Any) -> None:
        """Emit a worker-wide event to the listeners of the newest zygote."""
        for generation in reversed(self.generations):
            if generation.app is not None:
                generation.emit(name, event)
                return

    def _retire(self, old: Iterable[Generation]) -> None:
        for generation in old:
            if not generation.children:
                self.drop(generation)
                if len(self.generations) == 1:
                    _log.info("rolling restart finished: all processes run the new code")
                # A message unparked for the new code may have reached a child with the old code, and been parked again.
                for duties in self.channels.values():
                    duties.unpark.restart()

    # ---- reports

    @property
    def is_ready(self) -> bool:
        """True if all wanted processes can run jobs, and no rolling restart is under way."""
        return len(self.generations) == 1 and not self.is_loading and self.children.are_ready()

    @property
    def can_start(self) -> bool:
        """True if processes can be started: a zygote has the app, answers, and can fork."""
        ready = [one for one in self.generations if one.app is not None]
        return bool(ready) and self._can_fork and ready[-1].silent < ANSWER_SECONDS / 2

    def occupancy(self) -> tuple[int, int]:
        """Return the numbers of running jobs and of processes."""
        alive = self.children.alive()
        return sum(len(child.slot.running()) for child in alive), len(alive)

    # ---- children

    def keep_wanted(self, channels: Collection[Duties]) -> None:
        """Keep a zygote running, and the wanted number of children of some channels. End the zygotes that have no child any longer."""
        self._ending = [one for one in self._ending if not one.has_ended()]
        now = monotonic()
        if self._respawn.is_due(now):
            self.new_generation()
        if ready := [one for one in self.generations if one.app is not None]:
            self.children.keep_wanted(ready[-1], now, channels)
            self._retire(ready[:-1])

    def ask_to_stop(self, now: float) -> None:
        """Ask every child to stop after its running job. From now on no child is replaced."""
        self._stopping = True
        for generation in self.generations:
            self.children.withdraw(generation)
        self.children.ask_to_stop(now)

    def kill_overdue(self, now: float, cause: str | None = None, *, among: Collection[Duties] | None = None) -> None:
        """Kill the children of channels (default: all) that were asked to stop and whose time is over. The log reports the cause."""
        self.children.kill_overdue(now, cause, self.channels.values() if among is None else among)
        if not self._stopping:
            return
        # A child without a process never gets one if its zygote hangs.
        late = {child.zygote for child in self.children.alive() if child.pid is None and child.kill_at is not None and now > child.kill_at}
        for generation in [one for one in self.generations if one.number in late]:
            generation.kill()
            self._on_lost(generation)

    def watch(self, now: float) -> None:
        """Reap children whose exit a hung zygote did not report, and replace that zygote. As PID 1, also reap all other processes."""
        if not self.liveness.is_due(now):
            return
        if self._is_init:
            reap_orphans({one.pid for one in [*self.generations, *self._ending]})
        dead, stuck = self.liveness.look(self.children.alive(), self.generations, now)
        for child in dead:
            for generation in self.generations:
                if generation.number == child.zygote:
                    generation.is_mute = True
                    death = Death(None, unknown="has exited (its zygote hangs, so the exit status is unknown)")
                    self.children.on_exit(generation, child, death)
        for generation in stuck:
            _log.error("killing zygote (pid %d): no fork for %g s", generation.pid, ANSWER_SECONDS)
            generation.kill()
            self._on_lost(generation)

    def close(self) -> None:
        """End the zygotes, and send the pending commands."""
        self.children.close()
        self.patterns.close()
        for generation in list(self.generations):
            self.drop(generation)
        for generation in self._ending:
            generation.end()
