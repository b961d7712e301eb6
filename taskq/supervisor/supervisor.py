"""The supervisor's loop: waits for signals, zygotes, pokes and wake-up tokens at once, and runs the services."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

import setproctitle

from taskq.app import count_threads
from taskq.clock import monotonic
from taskq.config import NotifySocket
from taskq.errors import AppError
from taskq.events import ProcessEvent
from taskq.polling import wait_for
from taskq.queue import Queue
from taskq.scoreboard.pipe import drain, wake_pipe
from taskq.stdio.output import flush_output
from taskq.supervisor.banner import log_banner, show_title
from taskq.supervisor.burst import Burst
from taskq.supervisor.dispatch.dispatcher import Dispatcher
from taskq.supervisor.log_thread import LogThread
from taskq.supervisor.manager import ProcessManager
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.plan import Plan, make_plan
from taskq.supervisor.processes.generation import Generation
from taskq.supervisor.processes.zygote import AppInfo, Failed
from taskq.supervisor.services.notify import Notifier
from taskq.supervisor.signals import STOP_SIGNALS, SignalInbox

__all__ = ["Supervisor"]

_log = logging.getLogger("taskq.supervisor")


class Supervisor:
    """The parent process of a worker, started by `taskq worker` or `Queue.work`."""

    def __init__(self, source: str | Queue, options: WorkerOptions, target: NotifySocket | None = None) -> None:
        self._options = options
        self._pokes, self._poke_fd = wake_pipe()
        self._log_thread = LogThread()
        self._dispatcher = Dispatcher()
        self._manager = ProcessManager(source, options, self._poke_fd, self._forget)
        #: Threads of the program around `taskq worker`, such as a tracer. A program that runs a worker itself knows its own.
        self._foreign_threads = count_threads() - 1 if isinstance(source, str) else 0
        self._notifier = Notifier(target)
        self._burst: Burst | None = None
        self._stopping = False
        self._stop_signals = 0
        #: Signals that arrived while the app was loaded.
        self._early: list[signal.Signals] = []
        #: True if the app must be loaded once more.
        self._restart_again = False
        self._settle_until = 0.0
        #: True if something has happened that may concern every channel: a signal, a report of a zygote, a new channel.
        self._has_news = True

    def run(self) -> int:
        """Run until the worker is asked to stop; return the exit code. Raises as `run_worker`."""
        self._inbox = SignalInbox()
        title = setproctitle.getproctitle()  # a program that calls `queue.work(burst=True)` keeps its name
        flush_output()  # of the program that calls it, before the output of its jobs
        self._log_thread.start()
        try:
            plan = self._prepare()
            if plan is not None:
                self._loop(plan)
        finally:
            self._dispatcher.close()
            self._manager.close()
            setproctitle.setproctitle(title)
            os.close(self._pokes)
            os.close(self._poke_fd)
            self._log_thread.close()
            self._inbox.close()  # last: until then, a late signal must not kill the process
        return 1 if self._manager.children.failed and self._options.burst else 0

    def _forget(self) -> None:
        """Close what a new zygote must not have."""
        self._dispatcher.close()
        os.close(self._pokes)

    # ---- start

    def _prepare(self) -> Plan | None:
        """Load the app and make the plan. Return None if the worker was asked to stop meanwhile."""
        self._notifier.starting()
        app = self._load()
        if app is None:
            return None
        plan = self._manager.patterns.planned(make_plan(app, self._options))
        if not self._manager.make_room(sum(plan.processes.values())):
            app = self._load()
            if app is None:
                return None
        show_title(plan.channels)
        log_banner(plan, app, self._foreign_threads)
        return plan

    def _load(self) -> AppInfo | None:
        generation = self._manager.new_generation()
        watched: list[Any] = [self._inbox, generation]
        while True:
            ready = wait_for(watched)
            if self._inbox in ready:
                self._early += self._inbox.take()
                if any(one in STOP_SIGNALS or self._is_hang_up(one) for one in self._early):
                    return None
                if self._options.reload != "rolling" and signal.SIGHUP in self._early:
                    self._early = [one for one in self._early if one is not signal.SIGHUP]
                    generation = self._load_newest()
                    watched[1:] = [generation]
                    continue
            if generation in ready:
                report = generation.receive()
                if isinstance(report, AppInfo):
                    generation.app = report
                    return report
                if isinstance(report, Failed):
                    error = AppError(report.text)
                    error.add_note(report.traceback)
                    raise error
                raise AppError("the process that imports the app died during the import; import the app in Python to see the error")

    # ---- the loop

    def _loop(self, plan: Plan) -> None:
        manager = self._manager
        manager.start(plan)
        event = ProcessEvent(worker=f"{manager.children.host}:{os.getpid()}", pid=os.getpid(), channels=tuple(plan.channels))
        manager.emit("worker_start", event)
        self._burst = Burst(manager.channels, self._options.wait_delayed) if self._options.burst else None
        for number in self._early:
            self._on_signal(number)
        self._dispatcher.update(manager.channels.values())
        while not (self._stopping and not manager.children.alive() and self._can_exit()):
            self._wait(self._seconds_to_next())
            now = monotonic()
            everything = self._must_look_at_all(now)
            if everything:
                self._dispatcher.update(manager.channels.values())
            channels = self._dispatcher.tick(now, everything=everything)
            manager.watch(now)
            manager.kill_overdue(now, among=channels)
            self._notifier.tick(now, manager)
            if not self._stopping:
                manager.keep_wanted(channels)
            self._dispatcher.plan(channels, manager.channels)
            if not self._stopping:
                if self._restart_again and not manager.is_loading:
                    self._restart()
                if self._burst is not None:
                    self._end_burst(self._burst, now)
        manager.emit("worker_stop", event)

    def _must_look_at_all(self, now: float) -> bool:
        """Return True if this iteration is for every channel, not only for those with due work: once a second, and after any news."""
        has_news, self._has_news = self._has_news, False
        has_found = not self._stopping and self._manager.discover()
        return has_news or has_found or self._stopping or self._manager.liveness.is_due(now)

    def _end_burst(self, burst: Burst, now: float) -> None:
        if burst.cannot_start():
            self._manager.children.failed = True
            self._stop("processes can't start")
        elif reason := burst.end_reason(now):
            self._has_news = self._manager.discover(at_once=True)
            if not self._has_news:
                self._stop(reason)

    def _can_exit(self) -> bool:
        """Return False while acks wait for an unreachable server: the jobs would run again."""
        return self._stop_signals > 1 or monotonic() > self._settle_until or not self._manager.children.has_pending_acks()

    def _seconds_to_next(self) -> float:
        """Return the seconds until the next service is due, at most 1."""
        due = min(self._dispatcher.next_due(), self._notifier.due)
        if self._burst is not None and not self._stopping:  # `_end_burst` no longer moves it on
            due = min(due, self._burst.due)
        return max(0.0, min(1.0, due - monotonic()))

    def _wait(self, timeout: float) -> None:
        wakers = self._dispatcher.wakers()
        watched: list[Any] = [self._inbox, self._pokes, *self._manager.generations, *wakers]
        ready = wait_for(watched, timeout, full=[one for one in self._manager.generations if one.has_unsent])
        if self._inbox in ready:
            for number in self._inbox.take():
                self._on_signal(number)
        if self._pokes in ready:
            drain(self._pokes)
            self._dispatcher.poked()
        for fd in wakers:
            if fd in ready:
                self._dispatcher.woken(fd)
        reporting = [one for one in self._manager.generations if one in ready]
        for generation in reporting:
            self._manager.read_reports(generation)
            generation.flush()
        self._has_news = self._has_news or bool(reporting) or self._inbox in ready

    # ---- signals

    def _on_signal(self, number: signal.Signals) -> None:
        if number in STOP_SIGNALS:
            self._stop_signals += 1
            if self._stop_signals == 1:
                self._stop(f"{number.name}: shutting down gracefully (stop_timeout); send it again to kill running jobs")
            else:
                _log.warning("%s again: killing running jobs; they will run again (no attempt used)", number.name)
                self._manager.kill_overdue(float("inf"), f"by a second stop signal ({number.name})")
        elif self._stopping:
            return
        elif self._is_hang_up(number):
            self._stop("SIGHUP: the terminal was closed, shutting down gracefully; to outlive a terminal, start the worker with nohup")
        elif number is signal.SIGHUP:
            self._restart()
        else:
            _log.info("%s: one %s process per channel", number.name, "more" if number is signal.SIGTTIN else "fewer")
            self._manager.children.scale(1 if number is signal.SIGTTIN else -1)

    def _is_hang_up(self, number: signal.Signals) -> bool:
        return number is signal.SIGHUP and self._inbox.has_lost_terminal()

    def _restart(self) -> None:
        self._notifier.reloading()
        if self._options.reload != "rolling":
            self._load_newest()
            return
        self._restart_again = self._manager.is_loading
        if self._restart_again:
            _log.info("SIGHUP: the app is being loaded; loading it again afterwards")
            return
        _log.info("SIGHUP: reloading the app")
        self._manager.new_generation()

    def _load_newest(self) -> Generation:
        """Load the app. An import that is under way is ended: it has older code, and may hang."""
        loading = [one for one in self._manager.generations if one.app is None]
        for generation in loading:
            self._manager.drop(generation)
        _log.info("SIGHUP: reloading the app%s", ", and ending the import that was under way" if loading else "")
        return self._manager.new_generation()

    def _stop(self, why: str) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._notifier.stopping(why)
        self._settle_until = monotonic() + max(
            (duties.channel.settings.stop_timeout for duties in self._manager.channels.values()), default=0.0
        )
        self._manager.ask_to_stop(monotonic())
        # Last: once this line is written, no child begins another job.
        _log.info("stopping: %s", why)
