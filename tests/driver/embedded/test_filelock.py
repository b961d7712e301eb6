"""The file lock: held as long as any process holds it, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from taskq.driver.embedded.filelock import is_locked, try_lock
from tests.support.wait import wait_until


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """Given a held lock, if another process tries it, then it gets nothing and doesn't block; afterwards it gets the lock."""
    path = tmp_path / "lock"
    assert not is_locked(path)
    with try_lock(path) as first:
        assert first is not None
        assert is_locked(path)
        with try_lock(path) as second:
            assert second is None
    assert not is_locked(path)
    with try_lock(path) as third:
        assert third is not None


def test_asking_changes_nothing(tmp_path: Path) -> None:
    """Given no lock file, if a process asks whether it is locked, then no file is created."""
    assert not is_locked(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_a_process_that_inherits_the_lock_holds_it_until_it_ends(tmp_path: Path) -> None:
    """Given a process that inherited the lock, if we let go, then it stays locked until that process dies, by SIGKILL too."""
    path = tmp_path / "lock"
    with try_lock(path) as lock:
        assert lock is not None
        heir = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with heir:
        assert is_locked(path)
        heir.send_signal(signal.SIGKILL)
        wait_until(lambda: not is_locked(path))


def test_a_forked_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    """Given a thread that holds the lock, if another thread forks meanwhile, then the child doesn't keep it locked."""
    path = tmp_path / "lock"
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with try_lock(path):
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        done.set()
        thread.join()
        wait_until(lambda: not is_locked(path), timeout=30)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_program_that_the_holder_forks_inherits_the_lock(tmp_path: Path) -> None:
    """Given a holder that starts a program by a fork in Python, as gevent's subprocess does, then the program can hold the lock."""
    with try_lock(tmp_path / "lock") as lock:
        assert lock is not None
        child = os.fork()
        if child == 0:
            try:
                os.fstat(lock)
            except OSError:
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_a_program_without_standard_streams_keeps_its_lock(tmp_path: Path) -> None:
    """Given a program without standard input, then its lock doesn't get that number: in the server it starts, it would be replaced."""
    code = (
        f"import sys; from taskq.driver.embedded.filelock import try_lock\nwith try_lock({str(tmp_path / 'lock')!r}) as lock: print(lock)"
    )
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-c", code]
    assert int(subprocess.run(command, capture_output=True, check=True).stdout) > 2
