"""An embedded server is refused if any part of it belongs to another user."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq import Queue
from taskq.config import OWNERS_VARIABLE
from taskq.driver.embedded import server as embedded
from taskq.driver.embedded import unixsocket
from taskq.driver.embedded.server import EmbeddedServer
from taskq.driver.peer import is_embedded_socket
from taskq.errors import ServerRefused
from tests.support.owners import NOBODY, give_away


@pytest.fixture
def project() -> Iterator[Path]:
    """A short directory of a project. Its embedded server, if it has one, is stopped in the end."""
    path = Path(tempfile.mkdtemp(prefix="tq-"))
    yield path
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(OWNERS_VARIABLE, "*")
        EmbeddedServer(path / ".taskq").stop()
    shutil.rmtree(path)


def noop() -> None:
    """A job."""


def _start_as(uid: int, directory: Path) -> None:
    # The environment of the tests may be closed to that user.
    binary = Path(shutil.copy(embedded._binary(), directory.parent))
    embedded._binary = lambda: binary
    os.setegid(uid)
    os.seteuid(uid)
    EmbeddedServer(directory).ensure()


@pytest.fixture
def foreign(project: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedServer:
    """The running server of another user, in a project that all users may enter."""
    project.chmod(0o777)
    server = EmbeddedServer(project / ".taskq")
    if os.getuid() == 0:
        process = multiprocessing.get_context("fork").Process(target=_start_as, args=(NOBODY, server.directory))
        process.start()
        process.join()
        assert process.exitcode == 0
    else:
        server.ensure()
        give_away(monkeypatch)
    return server


def test_the_folder_of_another_user_is_refused(foreign: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given another user's running server, then it isn't used, stopped or described: the error names the owner and the variable."""
    for use in (foreign.ensure, foreign.status, foreign.stop, lambda: foreign.is_new):
        with pytest.raises(ServerRefused, match=rf"folder of the embedded server, {foreign.directory} belongs to .*{OWNERS_VARIABLE}"):
            use()
    monkeypatch.setenv(OWNERS_VARIABLE, "root, *")
    assert foreign.status().running


def test_the_process_of_another_user_is_refused(foreign: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a process of another user behind a socket in this user's folder, then nothing is sent to it: sync, async and to find it."""
    monkeypatch.setattr("taskq.driver.embedded.server.check_places", lambda *_: None)
    with pytest.raises(ServerRefused, match=f"the embedded server at {foreign.socket} belongs to "):
        foreign.ensure()
    queue = Queue(foreign.url)
    job = queue.job(name="x:y")(noop)
    with pytest.raises(ServerRefused, match=f"at {foreign.socket} belongs to "):
        job.push()

    async def push() -> None:
        await job.apush()

    with pytest.raises(ServerRefused, match=f"at {foreign.socket} belongs to "):
        asyncio.run(push())
    uid = NOBODY if os.getuid() == 0 else os.getuid()
    monkeypatch.setenv(OWNERS_VARIABLE, str(uid))
    job.push()
    queue.close()


def test_only_the_owner_of_a_folder_starts_its_server(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a folder of a trusted user that others may write to, then only that user starts a server in it: the others couldn't use it."""
    server = EmbeddedServer(project / ".taskq")
    server.directory.mkdir()
    server.directory.chmod(0o770)
    monkeypatch.setenv(OWNERS_VARIABLE, "*")
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: NOBODY)
        with pytest.raises(ServerRefused, match="and only that user can start the server: run taskq as that user, or set `url`"):
            server.ensure()
    server.ensure()
    assert server.directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("part", ["server.sock", "server.lock", "appendonlydir"])
def test_a_part_of_another_user_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Given a file of another user in the folder, then no server starts with it."""
    server = EmbeddedServer(project / ".taskq")
    server.directory.mkdir(mode=0o700)
    (server.directory / part).touch()
    give_away(monkeypatch, server.directory / part)
    with pytest.raises(ServerRefused, match=f"{part} belongs to " if os.getuid() == 0 else "belongs to "):
        server.ensure()


def test_a_link_of_another_user_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given another user's link to a socket of this user, then it isn't followed."""
    own = EmbeddedServer(project / "own" / ".taskq")
    own.ensure()
    server = EmbeddedServer(project / ".taskq")
    server.directory.mkdir(mode=0o700)
    server.socket.symlink_to(own.socket)
    give_away(monkeypatch, server.socket)
    with pytest.raises(ServerRefused, match="belongs to "):
        server.ensure()
    monkeypatch.undo()
    own.stop()


def test_the_short_folder_of_another_user_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given that another user made the folder for short sockets in a shared /tmp, and listens there, then nothing is sent to them."""
    monkeypatch.setattr(tempfile, "tempdir", str(project))
    server = EmbeddedServer(project / ("long" * 25) / ".taskq")
    place = server.socket.parent
    assert place.parent == project
    place.mkdir(mode=0o755)
    server.socket.touch()
    give_away(monkeypatch, place)
    with pytest.raises(ServerRefused, match=rf"{place} belongs to "):
        server.ensure()


def test_only_sockets_of_embedded_servers_are_checked() -> None:
    """Given the socket of a server that the settings name, then any user may own it: it was chosen."""
    assert is_embedded_socket("/home/x/.taskq/server.sock")
    assert is_embedded_socket(str(unixsocket.find_socket(Path("/" + "long/" * 30))))
    for path in ("/run/taskq-redis/redis.sock", "/run/redis/server.sock", "/home/x/.taskq/server.sock.d/s", "", "server.sock"):
        assert not is_embedded_socket(path)
