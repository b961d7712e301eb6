"""Everybody a supervisor has: the zygotes, and through them the children of every channel."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from taskq.clock import monotonic
from taskq.driver.load import reviver
from taskq.errors import AppError
from taskq.jobs.builtin import CALL, OBJECT
from taskq.queue import Queue
from taskq.scoreboard.slot import Records
from taskq.supervisor.channel import Team
from taskq.supervisor.duties import Crew
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.plan import Plan
from taskq.supervisor.processes.child import Child, Death
from taskq.supervisor.processes.fork import make_lock
from taskq.supervisor.processes.generation import Generation, Succession
from taskq.supervisor.processes.liveness import ANSWER_SECONDS, Vigil
from taskq.supervisor.processes.zygote import AppInfo, Estate, Exited, Failed, Spawn, Started
from taskq.supervisor.reap import bury
from taskq.supervisor.rules import respawn_pause, start_pause
from taskq.worker_id import is_surely_dead, machine_name, machine_tag, new_worker_id

__all__ = ["Staff"]

_log = logging.getLogger("taskq.supervisor")
#: Places for children beyond those the settings ask for (for SIGTTIN). Twice as many are made: a restart has old and new ones at once.
_SPARE = 16
#: Places for so many from the start: only more of them cost a second import of the app.
_USUAL = 32


class Staff:
    """The zygotes and the children, and how their number is kept."""

    def __init__(self, source: str | Queue, options: WorkerOptions, poke_fd: int, forget: Callable[[], None]) -> None:
        self.host = machine_name()
        self.crews: dict[str, Crew] = {}
        self.generations: list[Generation] = []
        #: True once a job has failed for good.
        self.failed = False
        self._source = source
        self._options = options
        self._poke_fd = poke_fd
        self._forget_more = forget
        self._tag = machine_tag()
        self._url = ""
        self._vigil = Vigil()
        self._stopping = False
        self._succession = Succession()
        self._make_places(max(options.processes or 0, _USUAL))

    def make_room(self, processes: int) -> bool:
        """Make sure that so many children have a place. False: there are too few, and they must be there before the zygote is forked."""
        if processes <= len(self._records) // 2 - _SPARE:
            return True
        for generation in list(self.generations):
            self.drop(generation)
        self._make_places(processes)
        return False

    def _make_places(self, processes: int) -> None:
        self._records = Records([make_lock() for _ in range(2 * (processes + _SPARE))])

    def employ(self, plan: Plan) -> None:
        """Set up the channels, rescue what dead workers of this machine had reserved, and start the children."""
        self._url = plan.url
        for settings in plan.channels.values():
            team = Team(settings, plan.url, plan.processes[settings.name], reviver(plan.settings))
            self.crews[settings.name] = Crew(team, self.host, self.tell)
        for crew in self.crews.values():
            crew.rescue.at_start(lambda worker: is_surely_dead(worker, self._tag))
        newest = self.generations[-1]
        self._know(newest.app)
        newest.listen()
        self.keep_number()

    # ---- zygotes

    def new_generation(self) -> Generation:
        """Fork a zygote, which loads the app."""
        number = self._succession.begin()
        estate = Estate(self._records, self._poke_fd, os.getpid(), self._forget)
        generation = Generation(number, self._source, self._options, estate)
        self.generations.append(generation)
        return generation

    def _forget(self) -> None:
        """In a new zygote: close what belongs to the supervisor."""
        for crew in self.crews.values():
            crew.close()
        for generation in self.generations:
            generation.connection.close()
        self._forget_more()

    def drop(self, generation: Generation) -> None:
        """End a zygote, and whoever it still has."""
        self.generations.remove(generation)
        generation.end()

    def on_message(self, generation: Generation, said: Any) -> None:
        """Take in what a zygote says.

        Raises:
            AppError: the app can't be loaded any more, and no zygote is left that has it.
        """
        if isinstance(said, Started):
            generation.answered()
            self._on_start(said)
        elif isinstance(said, Exited):
            child = self._child(said.slot)
            if not said.pid:  # it couldn't fork
                generation.answered()
            if child is not None and (child.pid or 0) == said.pid:  # else it was buried before, and another has its place
                self._on_exit(child, Death(said.status, said.maxrss))
        elif isinstance(said, AppInfo):
            generation.app = said
            _log.info("the app is loaded anew: %d jobs; replacing the children one by one", len(said.jobs))
            self._know(said)
            generation.listen()
        elif isinstance(said, Failed):
            self._on_failure(generation, said.text)
        elif said is None:
            self._on_lost(generation)

    def _know(self, app: AppInfo | None) -> None:
        """Tell the duties what the loaded application can run, and listens to."""
        if app is None:
            return
        for crew in self.crews.values():
            crew.unpark.jobs = frozenset(app.jobs) | {OBJECT, CALL}
            crew.unpark.due = 0.0
            crew.lengths.listened = "queue_length" in app.listened
            crew.lengths.due = 0.0

    def _on_lost(self, generation: Generation) -> None:
        """A zygote is gone, and its children with it."""
        for child in self.alive():
            if child.zygote == generation.number:
                self._on_exit(child, Death(None))
        if generation.app is None:
            self._on_failure(generation, "the process that imports it died meanwhile")
            return
        if self.generations[-1] is generation and not self._stopping:
            pause = self._succession.died(monotonic())
            _log.error("the zygote (pid %d) died; starting another%s", generation.pid, f" in {pause:g} s" if pause else "")
        self.drop(generation)

    def _on_failure(self, generation: Generation, reason: str) -> None:
        """The app can't be loaded anew."""
        self.drop(generation)
        if not any(one.app is not None for one in self.generations):
            raise AppError(f"the zygote died, and the app can't be loaded anew: {reason}")
        _log.error("the app can't be loaded anew, the old one works on: %s", reason)

    # ---- children

    def alive(self) -> list[Child]:
        """Every child that hasn't been reported dead."""
        return [child for crew in self.crews.values() for child in crew.team.children.values()]

    def keep_number(self) -> None:
        """Bring the number of children to what is wanted, and let a new zygote's children take over."""
        now = monotonic()
        if self._succession.is_due(now):
            self.new_generation()
        ready = [one for one in self.generations if one.app is not None]
        if not ready:
            return
        newest = ready[-1]
        for crew in self.crews.values():
            team = crew.team
            staying = [child for child in team.children.values() if child.kill_at is None and not child.leaving]
            for _ in range(team.wanted - len(staying)):
                if now < team.spawn_after or not self._spawn(newest, crew):
                    break
            for child in staying[team.wanted :]:
                child.ask_to_stop(now + team.settings.stop_timeout)
            crew.replace_old(newest.number, now)
        self._retire(one for one in ready if one is not newest)

    def change_number(self, by: int) -> None:
        """Want so many children more (or fewer) for every channel, at least one."""
        for crew in self.crews.values():
            crew.team.wanted = max(1, crew.team.wanted + by)
            _log.info("channel %s now wants %d processes", crew.team.name, crew.team.wanted)

    def ask_to_stop(self, now: float) -> None:
        """Tell every child to end after its running job. From now on nothing is replaced."""
        self._stopping = True
        for crew in self.crews.values():
            for child in crew.team.children.values():
                child.ask_to_stop(now + crew.team.settings.stop_timeout)

    def kill_late(self, now: float) -> None:
        """Kill those that were told to stop and whose time is over."""
        for child in self.alive():
            if child.kill_at is not None and now > child.kill_at and child.killed_for is None:
                child.kill("stop")
        # A child that has no process yet will never have one when its zygote stands still.
        late = {child.zygote for child in self.alive() if child.pid is None and child.kill_at is not None and now > child.kill_at}
        for generation in [one for one in self.generations if self._stopping and one.number in late]:
            generation.kill()
            self._on_lost(generation)

    def watch(self, now: float) -> None:
        """Do without zygotes that stand still: bury the dead of whom they don't tell, and replace those that fork no more."""
        if not self._vigil.is_due(now):
            return
        dead, stuck = self._vigil.look(self.alive(), self.generations, now)
        for child in dead:
            for generation in self.generations:
                generation.is_mute = generation.is_mute or generation.number == child.zygote
            self._on_exit(child, Death(None, unknown="is dead (its zygote stands still, and doesn't say how)"))
        for generation in stuck:
            _log.error("the zygote (pid %d) is killed: it has forked no child for %g s", generation.pid, ANSWER_SECONDS)
            generation.kill()
            self._on_lost(generation)

    def owes(self) -> bool:
        """True while the server hasn't been told of jobs that dead children had done."""
        return any(command.move == "ack" for crew in self.crews.values() for command in crew.team.pending)

    def tell(self, name: str, event: Any) -> None:
        """Pass a worker-wide event to the newest zygote's listeners."""
        for generation in reversed(self.generations):
            if generation.app is not None:
                generation.tell(name, event)
                return

    def close(self) -> None:
        """End the zygotes, and tell the server what it must still know."""
        for crew in self.crews.values():
            crew.team.part()
            if crew.team.pending:
                _log.warning("channel %s: the server couldn't be told; what was reserved is rescued after the lease", crew.team.name)
            crew.close()
        for generation in list(self.generations):
            self.drop(generation)

    def _retire(self, old: Iterable[Generation]) -> None:
        for generation in old:
            if not any(child.zygote == generation.number for child in self.alive()):
                self.drop(generation)
                # What was brought back for the new code may have met a child of the old one, and been parked again.
                for crew in self.crews.values():
                    crew.unpark.due = 0.0

    def _spawn(self, generation: Generation, crew: Crew) -> bool:
        used = {child.slot for child in self.alive()}
        slot = next((one for one in range(len(self._records)) if one not in used), None)
        if slot is None:
            _log.warning("no more than %d children at once; restart the worker with a larger processes", len(self._records))
            crew.team.wanted = len(crew.team.children)
            return False
        record = self._records[slot]
        record.clear()
        settings = crew.team.settings
        worker = new_worker_id(self.host, self._tag, lease=settings.lease, concurrency=settings.concurrency)
        child = Child(slot, worker, crew.team.name, record, generation.number)
        crew.team.children[slot] = child
        # Registered before it lives: from its first moment it may reserve.
        crew.heartbeat.beat(child, monotonic())
        return generation.spawn(Spawn(slot, worker, settings, self._url))

    def _on_start(self, said: Started) -> None:
        child = self._child(said.slot)
        if child is None:
            return
        child.pid = said.pid
        self.crews[child.channel].heartbeat.due = 0.0  # operators shall see its process id at once
        if child.kill_at is not None:  # it was asked to stop before it had a process
            child.tell_again()

    def _on_exit(self, child: Child, death: Death) -> None:
        team = self.crews[child.channel].team
        now = monotonic()
        child.end_leftovers()
        bury(team, child, death, now)
        team.remember(child.worker)
        del team.children[child.slot]
        self.failed = self.failed or team.counts()[1] > 0
        pause = respawn_pause(team.crashes, now)
        if pause:
            _log.error("channel %s: %d crashes in a short time; the next child starts in %g s", team.name, len(team.crashes), pause)
        if wait := start_pause(team.failed_starts):
            _log.error("channel %s: worker %s couldn't start; the next tries in %g s", team.name, child.worker, wait)
        if pause or wait:
            team.spawn_after = now + max(pause, wait)

    def _child(self, slot: int) -> Child | None:
        return next((child for child in self.alive() if child.slot == slot), None)
