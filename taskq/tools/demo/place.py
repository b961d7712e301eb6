"""Where the demo works: a scratch directory and a server, both gone at the end, also after Ctrl-C."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from taskq.driver.embedded.server import is_available
from taskq.errors import ConfigError
from taskq.extras import how_to_install
from taskq.inspector import FLUSHED, Inspector
from taskq.tools.demo.app import CHANNEL, App, make_app
from taskq.tools.scratch.server import scratch_server
from taskq.tools.scratch.signals import stop_signals, undisturbed

__all__ = ["Place", "scratch_place"]

_NOT_INSTALLED = f"""the demo starts its own server, and the embedded server is not installed:
    {how_to_install("embedded")}
Or use a running server; the demo uses a separate key prefix there, and removes its keys at the end:
    taskq demo --url redis://localhost:6379/0"""


class Place(NamedTuple):
    """Everything that the demo may write to."""

    directory: Path
    app: App
    inspector: Inspector

    @property
    def results(self) -> Path:
        """The file that the jobs append to."""
        return self.directory / "results.jsonl"

    @property
    def report(self) -> Path:
        """Where the report will be. Its folder is made late."""
        return self.directory / "reports" / "report.json"

    @property
    def log(self) -> Path:
        """The log of the worker."""
        return self.directory / "worker.log"


@contextmanager
def scratch_place(url: str | None) -> Iterator[Place]:
    """Give a place for one demo: on the embedded server, or on the server of `url` with a separate key prefix.

    Raises:
        ConfigError: no url is given and the extra `embedded` isn't installed.
        ServerError: the server can't be started or used.
    """
    if url is None and not is_available():
        raise ConfigError(_NOT_INSTALLED)
    directory = Path(tempfile.mkdtemp(prefix="taskq-demo-"))
    try:
        with stop_signals(), scratch_server(directory, url) as address:
            app = make_app(address, directory, prefix=f"taskq-demo-{secrets.token_hex(4)}")
            inspector = Inspector(app.queue)
            try:
                yield Place(directory, app, inspector)
            finally:
                with undisturbed():
                    if url is not None:
                        _clean_up(app, inspector)
                    app.queue.close()
    finally:
        with undisturbed():
            shutil.rmtree(directory, ignore_errors=True)


def _clean_up(app: App, inspector: Inspector) -> None:
    """Remove every key from a server that the demo doesn't own. The worker has ended: nothing is reserved, and no worker is registered."""
    for state in FLUSHED:
        inspector.flush(CHANNEL, state)
    sender = app.queue.sender(CHANNEL)
    sender.call(sender.driver.wait_for_wake(0.01))  # takes the last token, if there is one
