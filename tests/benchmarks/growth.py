"""Measures what commands on single messages, and on all of them, cost the server while many are stored.

    python -m tests.benchmarks.growth             # 1,000,000 messages, the server of the machine, otherwise Valkey
    python -m tests.benchmarks.growth 100000

For each action: the longest command that the server executed (SLOWLOG, in milliseconds; of several rounds the median and the best, because
a busy machine interrupts commands), the number of scripts, and the CPU time of the server. `list` runs as a command of its own.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import taskq
from taskq.channel import State
from taskq.wire.history import pack_record, record_of
from taskq.wire.message import encode, make_body, new_id
from tests.support.servers import ServerProcess, debian_binary, valkey_binary

APP = """
import taskq

queue = taskq.Queue({url!r}, channels={{"default": {{"failed_limit": 1000}}}})


@queue.job
def noop(): ...


@queue.job
def rare(): ...
"""
ROUNDS = 7
PART = 1000
RECORD = pack_record(record_of("failed", "worker", 1, "ValueError: no"))


class Bench:
    """A channel with many messages."""

    def __init__(self, server: ServerProcess, number: int, folder: Path) -> None:
        self.number = number
        (folder / "growth_app.py").write_text(APP.format(url=server.url))
        sys.path.insert(0, str(folder))
        from growth_app import queue  # type: ignore[import-not-found]

        self.queue: taskq.Queue = queue
        self.folder = folder
        self.admin: Any = server.admin
        self.admin.config_set("slowlog-max-len", 100_000)
        self.admin.config_set("slowlog-log-slower-than", 20)
        self.sender = queue.sender("default")
        self.driver = self.sender.driver
        self.inspector = taskq.Inspector(queue)

    def messages(self) -> Iterator[list[bytes]]:
        body = make_body("growth_app:noop", b"\x80\x05).")
        for _ in range(0, self.number, PART):
            yield [encode(new_id(), body) for _ in range(PART)]

    def fill_waiting(self, drawn: int) -> list[str]:
        """Store messages in waiting, and return the ids of some, in any order."""
        ids = []
        chosen = set(random.sample(range(self.number), drawn))
        for start, part in enumerate(self.messages()):
            self.sender.call(self.driver.push(part))
            ids += [raw[2:18].hex() for place, raw in enumerate(part) if start * PART + place in chosen]
        random.shuffle(ids)
        return ids

    def fill_failed(self) -> None:
        now = int(time.time() * 1000) - self.number
        for start, part in enumerate(self.messages()):
            self.admin.zadd(self.driver.keys.failed, {raw + RECORD: now + start * PART + place for place, raw in enumerate(part)})

    def cpu(self) -> float:
        found = self.admin.info("cpu")
        return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])

    def calls(self) -> int:
        """Return the number of scripts that the server has run."""
        stats = self.admin.info("commandstats")
        return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("evalsha", "eval"))

    def measure(self, name: str, action: Callable[[], object], rounds: int = 1) -> None:
        """Print the longest command, and how many scripts there were."""
        longest, numbers, spent = [], [], []
        for _ in range(rounds):
            self.admin.slowlog_reset()
            before = self.cpu()
            calls = self.calls()
            action()
            numbers.append(self.calls() - calls)
            spent.append(self.cpu() - before)
            log = [one for one in self.admin.slowlog_get(100_000) if not one["command"].startswith((b"INFO", b"SLOWLOG", b"CONFIG"))]
            longest.append(max((one["duration"] for one in log), default=0) / 1000)
        above = sum(one["duration"] > 5000 for one in log)
        print(
            f"{name:34} longest command {statistics.median(longest):7.2f} ms (best {min(longest):.2f}), "
            f"{round(statistics.median(numbers)):6,} scripts, {above} above 5 ms, server {statistics.median(spent) * 1000:8.1f} ms CPU",
            flush=True,
        )

    def list_all(self, *options: str) -> None:
        """Run `taskq list`, and print its time and its memory."""
        command = [sys.executable, "-m", "taskq", "list", "default", "--app", "growth_app:queue", "--limit", "0", *options]
        began = time.monotonic()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=self.folder, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        print(f"  taskq list {' '.join(options)}: {time.monotonic() - began:.1f} s, {cpu:.1f} s CPU, at most {after.ru_maxrss // 1024} MB")

    def fail_one(self) -> None:
        raw = encode(new_id(), make_body("growth_app:noop", b"\x80\x05)."))
        self.sender.call(self.driver.heartbeat("w", {"pid": 1}, lease_ms=60_000, register=True))
        self.admin.rpush(self.driver.keys.reserved("w"), raw)
        self.sender.call(self.driver.fail("w", State.FAILED, raw[2:18], raw))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("number", nargs="?", type=int, default=1_000_000)
    number = parser.parse_args().number
    binary = debian_binary() or valkey_binary()
    assert binary, "there is no server: install redis-server, or taskq-jobs[embedded]"
    with tempfile.TemporaryDirectory() as name, ServerProcess(binary) as server:
        bench = Bench(server, number, Path(name))
        print(f"{number:,} messages, {server.admin.info('server').get('redis_version')}, Python {sys.version.split()[0]}")
        drawn = iter(bench.fill_waiting(4 * ROUNDS))
        bench.queue.push_name("growth_app:rare", ())
        inspector, queue = bench.inspector, bench.queue
        bench.measure("status of one that waits", lambda: inspector.status(next(drawn)), ROUNDS)
        bench.measure("status of one that is gone", lambda: queue.handle(new_id().hex(), "default").status())
        bench.measure("cancel one that waits", lambda: inspector.cancel(next(drawn)), ROUNDS)
        bench.measure("delete one that waits", lambda: inspector.delete(next(drawn)), ROUNDS)
        bench.measure("list by a job's name", lambda: bench.list_all("--state", "waiting", "--job", "rare"))
        bench.measure("list all as JSON", lambda: bench.list_all("--state", "waiting", "--json"))
        bench.measure("flush", lambda: inspector.flush("default", "waiting"))
        bench.fill_failed()
        bench.measure("fail one, with a lower failed_limit", bench.fail_one, ROUNDS)
        bench.measure("list failed as JSON", lambda: bench.list_all("--json"))
        bench.measure("reload", lambda: inspector.reload("default", "failed"))


if __name__ == "__main__":
    main()
