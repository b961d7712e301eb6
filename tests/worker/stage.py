"""A runner with stand-ins for the executor and the supervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq import context
from taskq.wire.message import Message
from taskq.worker.execute.runner import Runner
from taskq.worker.execute.verdict import Verdict
from tests.worker.conftest import Bench

__all__ = ["MAX_CRASHES", "FakeExecutor", "FakeWatcher", "Stage"]

MAX_CRASHES = 3


class FakeExecutor:
    """Returns the given result, or raises it."""

    def __init__(self) -> None:
        self.result: Any = None
        self.calls: list[tuple[Any, ...]] = []
        self.seen: list[context.Context] = []

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        self.calls.append((function, args, kwargs, timeout))
        self.seen.append(context.current())
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def close(self) -> None: ...


class FakeWatcher:
    """Notes what the supervisor would see."""

    def __init__(self) -> None:
        self.described: list[tuple[str, int, float, int]] = []

    def describe(self, job: str, since_ms: int, deadline: float, retry_ms: int) -> None:
        self.described.append((job, since_ms, deadline, retry_ms))


class Stage:
    """A runner with its stand-ins, and one job."""

    def __init__(self, **options: Any) -> None:
        self.failures: list[BaseException] = []
        self.bench = Bench(channels={"default": {"retry_seconds": 5, "max_attempts": 3}})
        options = {"on_fail": self.failures.append, **options}
        self.job = self.bench.queue.job(name="work", **options)(lambda x=0: None)
        self.executor, self.watcher = FakeExecutor(), FakeWatcher()
        self.runner = Runner(self.bench.unpacker(), self.executor, self.watcher, "w1", MAX_CRASHES)

    def message(self, *, attempts: int = 0, crashes: int = 0, history: bytes = b"") -> Message:
        packed = self.bench.pack(self.job.bind(1))
        return Message(packed.changed(attempts=attempts, crashes=crashes, history=history))

    def run(self, result: Any = None, **head: Any) -> Verdict:
        self.executor.result = result
        return self.runner.run(self.message(**head), 100.0, 1234)
