"""A server's clock that chaos can set."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from taskq.tools.chaos.clock import ServerClock, find_library
from tests.conftest import OwnServer


@pytest.mark.parametrize("folder", ["usr/lib/x86_64-linux-gnu/faketime", "usr/lib64/faketime", "usr/local/lib/faketime"])
def test_the_library_is_found(tmp_path: Path, folder: str) -> None:
    """Given a system with libfaketime where its distribution puts it, then it is found; otherwise it isn't."""
    assert find_library(tmp_path) is None
    library = tmp_path / folder / "libfaketime.so.1"
    library.parent.mkdir(parents=True)
    library.touch()
    assert find_library(tmp_path) == library


def test_the_server_s_clock_is_set(own_server: OwnServer) -> None:
    """Given a server whose clock is set, then its TIME, in scripts too, and what expires follow at once, even after a restart."""
    server = own_server(appendonly=True, clock=True)
    for seconds in (1, -1, 60, -60, 3600, -3600, 0):
        server.set_clock(seconds)
        for now in (server.admin.time()[0], int(server.admin.eval("return redis.call('TIME')[1]", 0))):
            assert abs(now - time.time() - seconds) < 1.5
    server.admin.set("key", "x", px=60_000)
    server.set_clock(3600)
    assert server.admin.exists("key") == 0
    server.restart()
    assert abs(server.admin.time()[0] - time.time() - 3600) < 1.5


def test_a_killed_server_leaves_nothing_in_shared_memory(own_server: OwnServer) -> None:
    """Given a server with such a clock, if it is killed, then the files of the library are removed."""
    server = own_server(clock=True)
    pid = server.pid
    assert list(Path("/dev/shm").glob(f"*faketime*{pid}"))
    server.kill()
    assert not list(Path("/dev/shm").glob(f"*faketime*{pid}"))


def test_half_a_time_is_never_read(tmp_path: Path) -> None:
    """Given a clock that is set again and again, then its file has one whole line at any moment, and nothing else is left."""
    clock = ServerClock(Path("/lib"), tmp_path / "clock")
    for seconds in (0, 5, -3600):
        clock.set(seconds)
        assert (tmp_path / "clock").read_text(encoding="ascii") == f"{seconds:+d}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["clock"]
