"""The server of a scratch place: the user's, or an embedded one that is removed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskq.driver.embedded.server import EmbeddedServer
from taskq.tools.scratch.signals import undisturbed

__all__ = ["scratch_server"]


@contextmanager
def scratch_server(directory: Path, url: str | None) -> Iterator[str]:
    """Give the URL of a server: `url`, or without one, of a server that lives in `directory` during the block.

    Raises:
        ServerError: it can't be started.
    """
    if url is not None:
        yield url
        return
    server = EmbeddedServer(directory / ".taskq")
    try:
        yield server.ensure()
    finally:
        with undisturbed():
            server.stop()
