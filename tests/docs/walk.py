"""Does what a page describes, in a separate folder with its own embedded server, and compares the output.

A command that ends in `&` runs until the end of the page. Port 8000 in a command stands for a free port; a command in the background that
names it has to listen there before the page goes on.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskq.driver.embedded.server import EmbeddedServer
from tests.docs.pages import Block, Page, commands
from tests.support.wait import wait_until
from tests.support.worker import clean_environment

__all__ = ["Mismatch", "missing", "walk"]

_ID = re.compile(r"\b[0-9a-f]{32}\b")

_TASKQ = f'#!/bin/sh\nexec "{sys.executable}" -c "from taskq.cli import main; main()" "$@"\n'
_PYTHON = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
#: Stands for redis-cli, which not every machine has: it knows -s and -u, and prints the answer.
_REDIS_CLI = f"""#!{sys.executable}
import sys, redis
option, where, *words = sys.argv[1:]
client = redis.Redis(unix_socket_path=where) if option == "-s" else redis.Redis.from_url(where)
answer = client.execute_command(*words)
print(f"(integer) {{answer}}" if isinstance(answer, int) else answer)
"""
#: Stands for curl in the same way: it knows -N (as it never buffers), -H, -d and a URL without a scheme.
_CURL = f"""#!{sys.executable}
import getopt, sys, urllib.error, urllib.request
options, (url,) = getopt.gnu_getopt(sys.argv[1:], "NH:d:")
headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
data = next((value.encode() for option, value in options if option == "-d"), None)
try:
    answer = urllib.request.urlopen(urllib.request.Request("http://" + url, data, headers), timeout=20)
except urllib.error.HTTPError as error:
    answer = error
for line in answer:
    sys.stdout.write(line.decode())
"""
#: Runs the code on its standard input with the names of jobs.py; `await` may stand at its top.
_RUN = """
import ast, asyncio, inspect, pathlib, sys
names = {"__name__": "page"}
if pathlib.Path("jobs.py").exists():
    exec("from jobs import *", names)
result = eval(compile(sys.stdin.read(), "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
if inspect.iscoroutine(result):
    asyncio.run(result)
"""


class Mismatch(AssertionError):
    """A page says that something prints what it doesn't."""


class _Folder:
    def __init__(self, page: Page, directory: Path) -> None:
        self._page = page
        self._directory = directory
        self._id = "ID"
        self._port = _free_port()
        self._background: list[subprocess.Popen[bytes]] = []
        bin_directory = directory / ".bin"
        bin_directory.mkdir()
        for name, text in (("taskq", _TASKQ), ("python", _PYTHON), ("redis-cli", _REDIS_CLI), ("curl", _CURL)):
            (bin_directory / name).write_text(text)
            (bin_directory / name).chmod(0o700)
        environment = {**clean_environment(), "PYTHONUNBUFFERED": "1", "COLUMNS": "160"}
        self._environment = {**environment, "PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}"}

    def do(self, block: Block, expected: list[str]) -> None:
        if block.file is not None:
            path = self._directory / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "python":
            self._run(f"the code in line {block.line}", [sys.executable, "-c", _RUN], block.text, expected)
        elif block.language == "console":
            for command in commands(block):
                line = re.sub(r"\b8000\b", str(self._port), re.sub(r"\bID\b", self._id, command.line))
                if line.endswith(" &"):
                    self._start(line.removesuffix(" &"))
                    continue
                self._run(line, ["/bin/bash", "-c", line], "", command.prints)

    def _start(self, line: str) -> None:
        with (self._directory / f".output-{len(self._background)}").open("wb") as output:
            command = ["/bin/bash", "-c", f"exec {line}"]
            environment = self._environment
            process = subprocess.Popen(
                command, cwd=self._directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._background.append(process)
        if str(self._port) in line:
            wait_until(lambda: _listens(self._port), timeout=20, what=f"{self._page.name}: {line}")

    def stop(self) -> None:
        """Stop the commands that run in the background."""
        for process in reversed(self._background):
            process.send_signal(signal.SIGTERM)
        for process in self._background:
            try:
                process.wait(20)
            finally:
                process.kill()

    def _run(self, what: str, words: list[str], text: str, expected: list[str]) -> None:
        done = subprocess.run(
            words,
            cwd=self._directory,
            env=self._environment,
            input=text,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=30,
        )
        if found := _ID.findall(done.stdout):
            self._id = found[-1]
        if lost := missing(expected, done.stdout):
            raise Mismatch(f"{self._page.name}: {what} doesn't print {lost}, but:\n{done.stdout}")
        if not expected and done.returncode:
            raise Mismatch(f"{self._page.name}: {what} ends with code {done.returncode}:\n{done.stdout}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def missing(expected: list[str], output: str) -> list[str]:
    """Return the expected lines that the output doesn't have, whatever their order and white space."""
    words = " ".join(output.split())
    return [line for line in expected if not re.search(_pattern(line), words)]


def _pattern(line: str) -> str:
    return r".*?".join(re.escape(" ".join(part.split())) for part in line.split("...")).replace(r".*?", r"\s?.*?\s?")


def walk(page: Page) -> None:
    """Do all that a page says.

    Raises:
        Mismatch: it doesn't come out as the page says.
    """
    with _folder() as directory:
        folder = _Folder(page, directory)
        blocks = page.blocks()
        try:
            for number, block in enumerate(blocks):
                following = blocks[number + 1] if number + 1 < len(blocks) else None
                printed = following.text.splitlines() if following and following.language == "text" else []
                folder.do(block, printed)
        finally:
            folder.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    # pytest's own folders are too long for a Unix socket.
    directory = Path(tempfile.mkdtemp(prefix="tq-"))
    try:
        yield directory
    finally:
        EmbeddedServer(directory / ".taskq").stop()
        shutil.rmtree(directory)
