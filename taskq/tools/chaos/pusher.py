"""The process that pushes: in bursts and one by one, now and later, small and large, directly and through the relay."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from taskq.clock import monotonic
from taskq.errors import PushOutcomeUnknown, QueueFull, ServerUnavailable, TaskqError
from taskq.jobs.call import Call
from taskq.push.repeat import push
from taskq.supervisor.processes.fork import die_with_parent, fork
from taskq.tools.chaos.app import CHANNEL, App
from taskq.tools.chaos.ledger import Pushed, note

__all__ = ["Order", "Pusher"]

#: A phase pushes this share of what is left for its second.
_PHASE = 1.0
_LARGE = 300_000


class Order(NamedTuple):
    """The share of one pusher: every `step`th of all numbers below `jobs`."""

    first: int
    step: int
    jobs: int
    seconds: float
    seed: int
    ledger: Path


class Pusher:
    """The process as seen by who started it."""

    def __init__(self, app: App, order: Order) -> None:
        self._process: Any = fork(_live, app, order, os.getpid())
        #: Its exit code, None while it runs.
        self.code: int | None = None

    def look(self) -> None:
        """Notice its end."""
        if self.code is None:
            self.code = self._process.exitcode

    def close(self) -> None:
        """End it after the push that is under way."""
        deadline = monotonic() + 15.0
        while self.code is None:
            self._process.kill() if monotonic() > deadline else self._process.terminate()
            self._process.join(0.5)
            self.look()


def _live(app: App, order: Order, parent: int) -> None:
    os.setsid()
    die_with_parent(parent)
    log = os.open(order.ledger.with_name("pusher.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _Producer(app, order).run()


class _Producer:
    """Pushes until everything is pushed or it is asked to stop."""

    def __init__(self, app: App, order: Order) -> None:
        self._app = app
        self._order = order
        self._ledger = str(order.ledger)
        self._random = random.Random(f"{order.seed} pusher {order.first}")
        self._number = order.first
        self._stopping = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])

    def run(self) -> None:
        order = self._order
        began = monotonic()
        while not self._stopping and self._number < order.jobs:
            # As many as are due at the phase's end, however long the server was away.
            due = order.jobs * min(1.0, (monotonic() - began + _PHASE) / order.seconds)
            amount = math.ceil((due - self._number) / order.step)
            if amount > 0:
                self._random.choice(self._phases())(amount)
            self._pause(0.05)

    def _phases(self) -> list[Callable[[int], None]]:
        phases: list[Callable[[int], None]] = [self._burst, self._steady, self._steady, self._delayed, self._large, self._repeatable]
        # With a secret in the environment the workers refuse what isn't signed.
        return phases if self._app.queue.settings.secrets else [*phases, self._foreign]

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    # ---- phases

    def _burst(self, amount: int) -> None:
        """Many short jobs at once: the workers reserve them in batches. Now and then one is longer than expected."""
        numbers = self._numbers(amount)
        seconds = [self._random.choice([0.0] * 20 + [0.05]) for _ in numbers]
        calls = [self._app.task.bind(self._ledger, number, length) for number, length in zip(numbers, seconds, strict=True)]
        self._many("burst", numbers, calls)

    def _steady(self, amount: int) -> None:
        """One by one, so that idle workers wait in the server: sync and async jobs of mixed lengths, some failing at first."""
        for number in self._numbers(amount):
            job = self._app.anon if self._random.random() < 0.3 else self._app.task
            failures = self._random.choice([0, 0, 0, 0, 0, 0, 1, 2])
            # The longer a failing job runs, the likelier a fault meets it before its retry is settled.
            seconds = self._random.uniform(0.01, 0.05) if failures else self._duration()
            self._one("steady", number, job.bind(self._ledger, number, seconds, failures).push)
            self._pause(_PHASE / amount)

    def _delayed(self, amount: int) -> None:
        """Many for later, each group at another moment."""
        numbers = self._numbers(amount)
        size = max(1, amount // 5)
        for start in range(0, amount, size):
            delay = round(self._random.uniform(0.01, 2.0), 3)
            group = numbers[start : start + size]
            calls = [self._app.task.bind(self._ledger, number, self._duration()).with_options(delay=delay) for number in group]
            self._many("delayed", group, calls)

    def _large(self, amount: int) -> None:
        """A few with much in them, and short ones between."""
        for number in self._numbers(amount):
            payload = self._random.randbytes(self._random.randrange(_LARGE)) if number % 10 == 0 else b""
            self._one("large", number, self._app.task.bind(self._ledger, number, payload=payload).push)

    def _repeatable(self, amount: int) -> None:
        """Pushes that are repeated until the server answers, and must be stored once."""
        for number in self._numbers(amount):
            delay = self._random.choice([0, 0, 0.2])
            job = self._app.task.options(once=True, delay=delay)
            self._one("repeatable", number, job.bind(self._ledger, number, self._duration()).push)

    def _foreign(self, amount: int) -> None:
        """JSON messages, as another language's client pushes them."""
        sender = self._app.queue.sender(CHANNEL)
        for number in self._numbers(amount):
            raw = json.dumps({"job": self._app.task.name, "args": [self._ledger, number, self._duration()]}).encode()
            self._one("foreign", number, partial(push, sender, sender.driver.push([raw]), ()))

    # ---- pushing

    def _numbers(self, amount: int) -> list[int]:
        first, step = self._number, self._order.step
        self._number += step * amount
        return list(range(first, self._number, step))

    def _duration(self) -> float:
        return self._random.choice([0.0, self._random.uniform(0, 0.005), self._random.uniform(0, 0.05), self._random.uniform(0, 0.05)])

    def _one(self, kind: str, number: int, push: Callable[[], object]) -> None:
        if self._stopping:
            return
        try:
            push()
        except TaskqError as error:
            self._note([number], kind, _outcome(error))
            self._pause(0.05)
        else:
            self._note([number], kind, "accepted")

    def _many(self, kind: str, numbers: Sequence[int], calls: Sequence[Call[Any]]) -> None:
        if self._stopping:
            return
        try:
            self._app.queue.send_many(calls)
        except TaskqError as error:
            stored = len(error.stored)
            self._note(numbers[:stored], kind, "accepted")
            self._note(numbers[stored:], kind, _outcome(error))
            self._pause(0.05)
        else:
            self._note(numbers, kind, "accepted")

    def _note(self, numbers: Sequence[int], kind: str, outcome: Pushed) -> None:
        for number in numbers:
            note(self._ledger, "push", number, kind, outcome)

    def _pause(self, seconds: float) -> None:
        if not self._stopping:
            time.sleep(seconds)


def _outcome(error: TaskqError) -> Pushed:
    if isinstance(error, PushOutcomeUnknown):
        return "unknown"
    if isinstance(error, (QueueFull, ServerUnavailable)):
        return "refused"
    raise error
