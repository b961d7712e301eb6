"""Traces the way of one message through the code: `python -m tests.docs.trace URL PREFIX` prints both walks as JSON.

A process of its own, because the engine of a worker installs signal handlers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import taskq
from taskq import Queue
from taskq.clock import monotonic
from taskq.driver.load import load_driver
from taskq.scoreboard.poke import Poke
from taskq.scoreboard.slot import Scoreboard
from taskq.supervisor.processes.fork import make_lock
from taskq.worker.serial.engine import SerialEngine
from tests.support.hand import HandWorker

__all__ = ["main"]

PACKAGE = str(Path(taskq.__file__).parent) + os.sep


def _traced(do: Callable[[], object]) -> list[str]:
    """Return every function of taskq that is called, as `module:function`."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE):
            module = "taskq." + file.removeprefix(PACKAGE).removesuffix(".py").replace(os.sep, ".")
            calls.append(f"{module}:{frame.f_code.co_qualname}")

    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
    return calls


def main(url: str, prefix: str) -> list[list[str]]:
    """Push a message, run it in a serial engine, and return both walks."""
    queue = Queue(url, channels={prefix: {"max_messages": 1}})
    job = queue.job(channel=prefix)(print)
    pushed = _traced(lambda: job.push("ran"))
    channel, hand = queue.channel(prefix), HandWorker(queue, prefix)
    hand.beat()
    slot = Scoreboard([make_lock()])[0]
    slot.set_beat(monotonic())
    driver = load_driver(url, channel)
    poke = Poke(os.open(os.devnull, os.O_WRONLY))
    engine = SerialEngine(queue, driver, driver.link(5.0), slot, worker=hand.name, channel=channel, poke=poke)
    return [pushed, _traced(engine.run)]


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
