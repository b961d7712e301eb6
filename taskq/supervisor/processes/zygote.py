"""The zygote: the process that imports the application once and forks the worker processes.

The supervisor never runs application code. All effects of an import (threads, signal handlers, exit hooks) stay here.
Worker processes share the memory of the imported application and start in milliseconds. A rolling restart forks a new zygote.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import setproctitle

from taskq import events
from taskq.app import check_unpatched, import_modules, load_app
from taskq.config import ChannelSettings, Settings
from taskq.doctor.leftovers import Leftovers, Survey
from taskq.driver.load import driver_class
from taskq.errors import ConfigError, TaskqError
from taskq.logs import before_import, set_up_again
from taskq.polling import wait_for
from taskq.queue import Queue
from taskq.scoreboard.pipe import drain, wake_pipe
from taskq.scoreboard.poke import Poke
from taskq.scoreboard.slot import Scoreboard
from taskq.stdio.output import flush_output
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.processes.fork import Connection, die_with_parent, fork
from taskq.supervisor.processes.listeners import Listeners
from taskq.supervisor.processes.workdir import Workdir, enter
from taskq.worker.main import work

__all__ = ["AppInfo", "Emit", "Exited", "Failed", "Inheritance", "Listen", "Spawn", "Started", "zygote"]

_log = logging.getLogger("taskq.zygote")


class AppInfo(msgspec.Struct, frozen=True):
    """Report: the app is loaded. The facts about it that the supervisor needs."""

    settings: Settings
    jobs: tuple[str, ...]
    channels: dict[str, ChannelSettings]
    #: The threads and connections that the import has left in the zygote.
    left: Leftovers
    #: Names of the worker-wide signals that have listeners.
    listened: tuple[str, ...]
    #: Former names of the jobs.
    aliases: tuple[str, ...] = ()


class Inheritance(NamedTuple):
    """The descriptors and settings that a zygote inherits."""

    scoreboard: Scoreboard
    #: The pipe through which worker processes poke the supervisor.
    poke_fd: int
    #: The supervisor's process id.
    parent: int
    #: Closes copied descriptors that the zygote must not use.
    forget: Callable[[], None]
    #: Where the supervisor was started.
    workdir: Workdir | None


class Failed(NamedTuple):
    """Report: the app can't be loaded."""

    text: str
    traceback: str


class Spawn(NamedTuple):
    """Request: fork a worker process."""

    slot_index: int
    worker: str
    channel: ChannelSettings
    url: str


class Listen(NamedTuple):
    """Request: fork the process that runs the listeners of worker-wide events."""


class Emit(NamedTuple):
    """Request: pass an event to the listeners."""

    signal: str
    event: Any


class Started(NamedTuple):
    """Report: a worker process was forked."""

    slot_index: int
    pid: int


class Exited(NamedTuple):
    """Report: a worker process has exited, or (pid 0) could not be forked."""

    slot_index: int
    pid: int
    status: int | None
    maxrss: int


def zygote(requests: Connection, source: str | Queue, options: WorkerOptions, inheritance: Inheritance) -> None:
    """Import the application, then fork worker processes on request until the supervisor closes the connection.

    Args:
        requests: the connection to the supervisor.
        source: the app's name, or the queue itself when a program runs its own worker.
        options: the options of the worker.
        inheritance: the descriptors and settings from the supervisor.
    """
    inheritance.forget()
    os.setsid()  # Ctrl-C at the terminal must reach the supervisor only
    _reset_signals()
    die_with_parent(inheritance.parent)
    setproctitle.setproctitle("taskq: zygote")
    try:
        if not isinstance(source, Queue):
            enter(inheritance.workdir)
        survey = Survey()  # a program that started the worker may have started threads again in a fork hook
        queue = _load(source, options)
        info = _app_info(queue, survey.leftovers())
        _import_drivers(info)
        flush_output()  # the import may have printed something
        requests.send(info)
    except TaskqError as error:
        requests.send(Failed(str(error), traceback.format_exc()))
        return
    except (BrokenPipeError, ConnectionResetError):
        return
    gc.collect()
    # Freeze the imported objects: the garbage collector of a worker process then doesn't touch, and so copy, the shared pages.
    gc.freeze()
    try:
        Forker(requests, queue, inheritance.scoreboard, inheritance.poke_fd).serve()
    except Exception:
        # Don't return: multiprocess would wait for the worker processes, without a supervisor.
        _log.exception("the zygote failed")
        os._exit(1)


def _load(source: str | Queue, options: WorkerOptions) -> Queue:
    if isinstance(source, Queue):
        queue = source
        import_modules(queue)
    else:
        if options.log_level is not None:
            before_import(keep=options.keep_logging)
        queue = load_app(source, modules=options.modules)
        queue.close()  # worker processes open other connections than those over which the import has pushed
        check_unpatched()
        if options.log_level is not None:
            set_up_again(options.log_level, options.log_format, options.log_config, keep=options.keep_logging)
    if options.url is not None:
        queue.use_url(options.url, "--url option")
    if options.on_import is not None:
        options.on_import()
    return queue


def _app_info(queue: Queue, left: Leftovers) -> AppInfo:
    channels = {name: queue.channel(name) for name in queue.channel_names()}
    listened = tuple(name for name, one in events.WORKER_SIGNALS.items() if one.receivers)
    return AppInfo(queue.settings, tuple(queue.jobs.names()), channels, left, listened, tuple(queue.jobs.aliases()))


def _import_drivers(info: AppInfo) -> None:
    """Import modules once that every worker process would import after its fork."""
    for channel in info.channels.values():
        with contextlib.suppress(ConfigError):  # the supervisor reports it if it consumes that channel
            driver_class(channel)


def _reset_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
        # A handler instead of SIG_IGN, which the subprocesses of jobs would inherit.
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # held back since the fork


def _ignore(number: int, frame: object) -> None:
    pass


class Forker:
    """Forks worker processes on request, and reports their exits."""

    def __init__(self, requests: Connection, queue: Queue, scoreboard: Scoreboard, poke_fd: int) -> None:
        self._requests = requests
        self._queue = queue
        self._scoreboard = scoreboard
        self._poke_fd = poke_fd
        self._children: dict[int, Any] = {}
        self._listeners = Listeners(self._detach)

    def serve(self) -> None:
        """Handle the supervisor's requests until it closes the connection."""
        self._wake_read, self._wake_write = wake_pipe()
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        while True:
            ready = wait_for([self._requests, self._wake_read])
            if self._wake_read in ready:
                drain(self._wake_read)
                self._report_exits()
            if self._requests in ready:
                try:
                    request = self._requests.recv()
                except (EOFError, ConnectionResetError):
                    self._listeners.end()
                    flush_output()
                    os._exit(0)  # the worker processes die with their parent
                self._handle(request)

    def _handle(self, request: Any) -> None:
        if isinstance(request, Spawn):
            self._spawn(request)
        elif isinstance(request, Listen):
            self._listeners.start()
        elif isinstance(request, Emit):
            self._listeners.emit(request.signal, request.event)

    def _spawn(self, request: Spawn) -> None:
        try:
            process = fork(self._run_worker, request, os.getpid())
        except OSError as error:  # no process or memory left: the supervisor retries
            _log.error("can't fork a worker process: %s", error)
            self._requests.send(Exited(request.slot_index, 0, None, 0))
            return
        self._children[request.slot_index] = process
        self._requests.send(Started(request.slot_index, process.pid))

    def _report_exits(self) -> None:
        for slot_index, process in list(self._children.items()):
            status = process.exitcode
            if status is not None:
                del self._children[slot_index]
                self._requests.send(Exited(slot_index, process.pid, status, process.maxrss))
                process.close()

    # ---- in the forked process

    def _detach(self, parent: int, title: str) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)  # killing the group also ends the processes that its jobs started
        die_with_parent(parent)
        self._requests.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        setproctitle.setproctitle(title)

    def _run_worker(self, request: Spawn, parent: int) -> None:
        self._listeners.close_copy()
        self._detach(parent, f"taskq: {request.channel.name}")
        work(self._queue, request.url, request.channel, request.worker, self._scoreboard[request.slot_index], Poke(self._poke_fd))
