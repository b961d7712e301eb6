"""The processes of one contender's workers: started, looked at (processor time, memory), and ended for sure."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from tests.support.servers import die_with_parent

__all__ = ["WorkerGroup", "cpu_of", "memory_of", "ran"]

#: Seconds; not every peer passes SIGTERM on to its processes.
GRACE = 2


class WorkerGroup:
    """Workers of one contender: `copies` of a command."""

    def __init__(self, command: list[str], *, copies: int, env: Mapping[str, str], folder: Path, log: Path) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self.log = log
        with log.open("ab") as output:
            for _ in range(copies):
                # A session of their own: Ctrl-C is for the benchmark, which ends them.
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
                self._processes.append(process)

    def pids(self) -> list[int]:
        """All its processes, parents first."""
        found = []
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                found += [parent.pid, *(child.pid for child in parent.children(recursive=True))]
        return found

    def children(self, title: str) -> list[int]:
        """Those whose title is this."""
        return [pid for pid in self.pids() if _title(pid) == title]

    def cpu(self) -> float:
        """Seconds of processor time that all have used, those that have ended and were waited for among them."""
        return sum(map(cpu_of, self.pids()))

    def check(self) -> None:
        """Raise when one has ended by itself, with its log."""
        for process in self._processes:
            if process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"the worker {process.args!r} ended with {process.returncode}; its log:\n{tail}")

    def stop(self, grace: float = GRACE) -> None:
        """End all, in good order if they can within some seconds."""
        family = [psutil.Process(pid) for pid in self.pids() if psutil.pid_exists(pid)]
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()  # psutil knows a process by its start, too: never another one of the same id
        for process in self._processes:
            process.wait()


def cpu_of(pid: int) -> float:
    """Seconds of processor time of one process, and of the children that it waited for."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def ran(pids: Iterable[int]) -> float:
    """Seconds that these processes have run, to the nanosecond, without threads that have ended. Linux only.

    The other counters go by hundredths of a second, which is too coarse for processes that sleep.
    """
    total = 0
    for pid in pids:
        for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(file.read_text().split()[0])
    return total / 1e9


def memory_of(pid: int) -> dict[str, float]:
    """Return a process's memory in MiB: rss, pss (its own, and its share of what it shares) and own. Linux only."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    sizes = {name: int(value.split()[0]) / 1024 for name, value in lines.items()}
    return {"rss": sizes["Rss"], "pss": sizes["Pss"], "own": sizes["Private_Clean"] + sizes["Private_Dirty"]}


def _title(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline()).strip()
    except psutil.Error:
        return ""
