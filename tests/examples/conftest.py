"""An example in a project folder of its own, on the embedded server, run as its header says."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from taskq.driver.embedded.server import EmbeddedServer, is_available
from tests.support.wait import wait_until
from tests.support.worker import ROOT, clean_environment

TASKQ = (sys.executable, "-c", "from taskq.cli import main; main()")


class Project:
    """A folder with copies of examples, and the processes that run in it."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self._stack = stack

    def copy(self, name: str) -> None:
        """Copy a file, or what is in a folder, of examples/."""
        source = ROOT / "examples" / name
        if source.is_dir():
            shutil.copytree(source, self.directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, self.directory)

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command to its end, and return what it printed; it must end well."""
        done = subprocess.run(
            command, cwd=self.directory, env=self._env(env), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, *args: str, env: Mapping[str, str] | None = None) -> str:
        """Run Python to its end."""
        return self.run(sys.executable, *args, env=env)

    def taskq(self, *args: str, env: Mapping[str, str] | None = None) -> str:
        """Run taskq to its end."""
        return self.run(*TASKQ, *args, env=env)

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> Path:
        """Start a command that is ended with the test; returns the file of its output."""
        log = self.directory / f"log-{len(list(self.directory.glob('log-*')))}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self.directory, env=self._env(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._stack.callback(_end, process)
        return log

    def start_worker(self, app: str, env: Mapping[str, str] | None = None) -> Path:
        """Start a worker that is ended with the test; returns the file of its log."""
        return self.start(*TASKQ, "worker", app, env=env)

    def _env(self, env: Mapping[str, str] | None) -> dict[str, str]:
        return {**clean_environment(), "PYTHONUNBUFFERED": "1", **(env or {})}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def project() -> Iterator[Project]:
    """An empty project folder. Its server is stopped at the end."""
    assert is_available(), "these tests need the extra `embedded`"
    # pytest's own folders are too long for a Unix socket.
    directory = Path(tempfile.mkdtemp(prefix="tq-"))
    try:
        with ExitStack() as stack:
            yield Project(directory, stack)
    finally:
        EmbeddedServer(directory / ".taskq").stop()
        shutil.rmtree(directory)


def wait_for(path: Path, text: str) -> str:
    """Wait until a file holds a text, and return all it holds."""
    return wait_until(lambda: text in _read(path) and _read(path), timeout=20, what=f"{text!r} in {path}:\n{_read(path)}")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
