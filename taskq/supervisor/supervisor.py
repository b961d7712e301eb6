"""The supervisor's loop: waits for signals, zygotes, pokes and wake-up tokens at once, runs the duties, and keeps the children's number."""

from __future__ import annotations

import logging
import os
import select
import signal
from typing import Any

import setproctitle

from taskq.builtin import CALL, OBJECT
from taskq.clock import monotonic
from taskq.errors import AppError
from taskq.events import ProcessEvent
from taskq.queue import Queue
from taskq.supervisor.banner import log_banner
from taskq.supervisor.burial import bury
from taskq.supervisor.burst import Burst
from taskq.supervisor.child import Child, Death, make_lock
from taskq.supervisor.crew import Crew
from taskq.supervisor.generation import Generation
from taskq.supervisor.identity import is_surely_dead, machine_tag, new_worker_id
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.plan import Plan, make_plan
from taskq.supervisor.rules import respawn_pause
from taskq.supervisor.services import machine_name
from taskq.supervisor.signals import SignalInbox
from taskq.supervisor.zygote import AppInfo, Exited, Failed, Spawn, Started
from taskq.worker.record import Records

__all__ = ["Supervisor"]

_log = logging.getLogger("taskq.supervisor")
#: Places for children beyond those the settings ask for: for SIGTTIN, and for old and new ones at once in a restart.
_SPARE_SLOTS = 64


class Supervisor:
    """One `taskq worker`."""

    def __init__(self, source: str | Queue, options: WorkerOptions) -> None:
        self._source = source
        self._options = options
        self._host = machine_name()
        self._tag = machine_tag()
        self._crews: dict[str, Crew] = {}
        self._generations: list[Generation] = []
        self._stopping = False
        self._told_to_stop = 0
        self._failed = False

    def run(self) -> int:
        """Work until told to stop; returns the exit code. Raises as `run_worker`."""
        self._records = Records([make_lock() for _ in range(self._slots())])
        self._pokes, self._poke_fd = os.pipe()
        for fd in (self._pokes, self._poke_fd):
            os.set_blocking(fd, False)
        self._inbox = SignalInbox()
        try:
            app = self._load()
            if app is None:
                return 0
            self._set_up(make_plan(app, self._options))
            self._loop()
            return 1 if self._failed and self._options.burst else 0
        finally:
            self._tear_down()

    # ---- start

    def _slots(self) -> int:
        # The settings' own numbers are known only after the app is loaded, which happens in a process that inherits the places.
        return 2 * (self._options.processes or 32) * max(1, len(self._options.channels)) + _SPARE_SLOTS

    def _load(self) -> AppInfo | None:
        """Start the first zygote and wait until the app is loaded. None: told to stop meanwhile."""
        generation = self._new_generation()
        while True:
            watched: list[Any] = [self._inbox, generation]
            ready, _, _ = select.select(watched, [], [])
            if self._inbox in ready and any(one in (signal.SIGTERM, signal.SIGINT) for one in self._inbox.take()):
                return None
            if generation in ready:
                said = generation.receive()
                if isinstance(said, AppInfo):
                    generation.app = said
                    return said
                if isinstance(said, Failed):
                    error = AppError(said.text)
                    error.add_note(said.traceback)
                    raise error
                raise AppError("the process that imports the app died while importing it; start it with --debug, or import it in python")

    def _new_generation(self) -> Generation:
        number = self._generations[-1].number + 1 if self._generations else 0
        generation = Generation(number, self._source, self._options, self._records, self._poke_fd, self._forget)
        self._generations.append(generation)
        return generation

    def _forget(self) -> None:
        """In a new zygote: close what belongs to the supervisor."""
        for crew in self._crews.values():
            crew.close()
        for generation in self._generations:
            generation.connection.close()
        os.close(self._pokes)

    def _set_up(self, plan: Plan) -> None:
        setproctitle.setproctitle(f"taskq: supervisor of {', '.join(plan.channels)}")
        for settings in plan.channels.values():
            self._crews[settings.name] = Crew(settings, plan.url, plan.processes[settings.name], self._host, self._tell)
        log_banner(plan, self._generations[-1].app)
        for crew in self._crews.values():
            crew.rescue.at_start(lambda worker: is_surely_dead(worker, self._tag))
        self._url = plan.url
        self._know(self._generations[-1].app)
        self._burst = Burst(self._crews) if self._options.burst else None
        self._generations[-1].listen()
        self._man()
        self._tell("worker_start", self._process_event())

    # ---- the loop

    def _loop(self) -> None:
        while not (self._stopping and not self._alive()):
            now = monotonic()
            due = min(service.due for crew in self._crews.values() for service in crew.services)
            if self._burst is not None:
                due = min(due, self._burst.due)
            self._wait(max(0.0, min(1.0, due - now)))
            now = monotonic()
            for crew in self._crews.values():
                crew.tick(now)
            self._man()
            self._kill_late(now)
            if self._burst is not None and not self._stopping and self._burst.is_over(now):
                self._stop("nothing is left to do")
        self._tell("worker_stop", self._process_event())

    def _wait(self, timeout: float) -> None:
        wakers = {fd: crew for crew in self._crews.values() if (fd := crew.promote.fileno()) is not None}
        watched: list[Any] = [self._inbox, self._pokes, *self._generations, *wakers]
        ready, _, _ = select.select(watched, [], [], timeout)
        if self._inbox in ready:
            for number in self._inbox.take():
                self._on_signal(number)
        if self._pokes in ready:
            os.read(self._pokes, 4096)
            for crew in self._crews.values():
                crew.watch.poked()
        for fd, crew in wakers.items():
            if fd in ready:
                crew.promote.woken()
        for generation in list(self._generations):
            if generation in ready:
                self._on_message(generation, generation.receive())

    def _on_signal(self, number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._told_to_stop += 1
            if self._told_to_stop == 1:
                self._stop(f"{number.name}: running jobs get their stop_timeout; once more ends them at once")
            elif self._stopping:
                _log.warning("%s again: ending running jobs; they run again elsewhere, uncounted", number.name)
                self._kill_late(float("inf"))
        elif number is signal.SIGHUP and not self._stopping:
            if len(self._generations) > 1:
                _log.warning("SIGHUP: a restart is under way already")
            else:
                _log.info("SIGHUP: loading the app anew")
                self._new_generation()
        elif number in (signal.SIGTTIN, signal.SIGTTOU):
            for crew in self._crews.values():
                crew.team.wanted = max(1, crew.team.wanted + (1 if number is signal.SIGTTIN else -1))
                _log.info("%s: channel %s now wants %d processes", number.name, crew.team.name, crew.team.wanted)

    # ---- zygotes and children

    def _on_message(self, generation: Generation, said: Any) -> None:
        if isinstance(said, Started):
            child = self._child(said.slot)
            if child is not None:
                child.pid = said.pid
                self._crews[child.channel].heartbeat.due = 0.0  # operators shall see its process id at once
                if child.kill_at is not None:  # it was asked to stop before it had a process
                    kill_at, child.kill_at = child.kill_at, None
                    child.ask_to_stop(kill_at)
        elif isinstance(said, Exited):
            self._on_exit(said.slot, Death(said.status, said.maxrss))
        elif isinstance(said, AppInfo):
            generation.app = said
            _log.info("the app is loaded anew: %d jobs; replacing the children one by one", len(said.jobs))
            self._know(said)
            generation.listen()
        elif isinstance(said, Failed):
            _log.error("the app can't be loaded anew, the old one works on: %s", said.text)
            self._drop(generation)
        elif said is None:
            self._on_lost(generation)

    def _know(self, app: AppInfo | None) -> None:
        """Tell the duties what the loaded application can run, and listens to."""
        if app is None:
            return
        for crew in self._crews.values():
            crew.unpark.jobs = frozenset(app.jobs) | {OBJECT, CALL}
            crew.unpark.due = 0.0
            crew.lengths.listened = "queue_length" in app.listened
            crew.lengths.due = 0.0

    def _on_exit(self, slot: int, death: Death) -> None:
        child = self._child(slot)
        if child is None:
            return
        team = self._crews[child.channel].team
        now = monotonic()
        bury(team, child, death, now)
        del team.children[slot]
        self._failed = self._failed or team.counts()[1] > 0
        pause = respawn_pause(team.crashes, now)
        if pause:
            _log.error("channel %s: %d crashes in a short time; the next child starts in %g s", team.name, len(team.crashes), pause)
            team.spawn_after = now + pause

    def _on_lost(self, generation: Generation) -> None:
        """A zygote is gone, and its children with it."""
        for crew in self._crews.values():
            for child in list(crew.team.children.values()):
                if child.zygote == generation.number:
                    self._on_exit(child.slot, Death(None))
        if self._generations[-1] is not generation or generation.app is None:
            self._drop(generation)
            return
        _log.error("the zygote (pid %d) died; starting another", generation.pid)
        self._new_generation()
        self._drop(generation)

    def _drop(self, generation: Generation) -> None:
        self._generations.remove(generation)
        generation.end()

    def _man(self) -> None:
        """Bring the number of children to what is wanted, and let a new generation take over."""
        now = monotonic()
        ready = [one for one in self._generations if one.app is not None]
        if not ready or self._stopping:
            return
        newest = ready[-1]
        for crew in self._crews.values():
            team = crew.team
            staying = [child for child in team.children.values() if child.kill_at is None]
            for _ in range(team.wanted - len(staying)):
                if now < team.spawn_after or not self._spawn(newest, crew):
                    break
            for child in staying[team.wanted :]:
                child.ask_to_stop(now + team.settings.stop_timeout)
            crew.replace_old(newest.number, now)
        for generation in [one for one in ready if one is not newest]:
            if not any(child.zygote == generation.number for child in self._alive()):
                self._drop(generation)

    def _spawn(self, generation: Generation, crew: Crew) -> bool:
        used = {child.slot for child in self._alive()}
        slot = next((one for one in range(len(self._records)) if one not in used), None)
        if slot is None:
            _log.warning("no more than %d children at once", len(self._records))
            crew.team.wanted = len(crew.team.children)
            return False
        record = self._records[slot]
        record.clear()
        worker = new_worker_id(self._host, self._tag)
        child = Child(slot, worker, crew.team.name, record, generation.number, monotonic())
        crew.team.children[slot] = child
        # Registered before it lives: from its first moment it may reserve.
        crew.heartbeat.beat(child, monotonic())
        return generation.spawn(Spawn(slot, worker, crew.team.settings, self._url))

    def _child(self, slot: int) -> Child | None:
        return next((child for child in self._alive() if child.slot == slot), None)

    def _alive(self) -> list[Child]:
        return [child for crew in self._crews.values() for child in crew.team.children.values()]

    # ---- stop

    def _stop(self, why: str) -> None:
        if self._stopping:
            return
        _log.info("stopping: %s", why)
        self._stopping = True
        now = monotonic()
        for crew in self._crews.values():
            for child in crew.team.children.values():
                child.ask_to_stop(now + crew.team.settings.stop_timeout)

    def _kill_late(self, now: float) -> None:
        for child in self._alive():
            if child.kill_at is not None and now > child.kill_at and child.killed_for is None:
                child.kill("stop")

    def _tear_down(self) -> None:
        for crew in self._crews.values():
            crew.team.send_pending()
            if crew.team.pending:
                _log.warning("channel %s: the server doesn't answer; what was reserved is rescued after the lease", crew.team.name)
            crew.close()
        for generation in list(self._generations):
            self._drop(generation)
        self._inbox.close()
        os.close(self._pokes)
        os.close(self._poke_fd)

    # ---- events

    def _tell(self, name: str, event: Any) -> None:
        for generation in reversed(self._generations):
            if generation.app is not None:
                generation.tell(name, event)
                return

    def _process_event(self) -> ProcessEvent:
        return ProcessEvent(worker=f"{self._host}:{os.getpid()}", pid=os.getpid(), channels=tuple(self._crews))
