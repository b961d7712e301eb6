"""How long a child takes to start, and how much memory it has of its own: taskq's zygote against multiprocess's forkserver.

    python -m tests.benchmarks.start_child

Both load the same app once, and fork children that have it from there. The app imports what many applications import, and holds
a heap of 300,000 small objects. A child has started when its first line runs; the time is counted from the moment the parent
asks for it. Memory is the child's PSS (its own pages, and its share of the common ones), and its own pages alone, both after a
collection of garbage in the child. Linux only.
"""

from __future__ import annotations

import importlib
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import multiprocess

from taskq.supervisor.processes.fork import fork, make_pipe

CHILDREN = 20
APP = "taskq_sample_app"
SOURCE = '''
import asyncio, ctypes, decimal, email.message, gc, http.client, json, os, sqlite3, time, xml.dom.minidom
import click, redis, rich.console
import taskq

HEAP = [{"number": number, "text": str(number)} for number in range(100_000)]

def live(fifo):
    """Tell when the first line runs, collect garbage, tell it, and wait to be killed."""
    began = time.monotonic()
    gc.collect()
    with open(fifo, "w") as told:
        told.write(f"{os.getpid()} {began}")
    time.sleep(600)
'''


class Way(NamedTuple):
    """A way to start children: what starts one, and what ends all."""

    start: Callable[[Path], object]
    end: Callable[[], object]


class Child(NamedTuple):
    """What was measured of one child: milliseconds, and MiB."""

    start_ms: float
    pss: float
    own: float


def zygote(orders: Any, freeze: bool) -> None:
    """Load the app and fork children as told, as taskq.supervisor.processes.zygote does."""
    app = importlib.import_module(APP)
    if freeze:
        app.gc.collect()
        app.gc.freeze()
    orders.send("ready")
    while True:
        fork(app.live, orders.recv())


def our_way(*, freeze: bool = True) -> Way:
    """A zygote of taskq's kind."""
    here, there = make_pipe()
    process = fork(zygote, there, freeze)
    here.recv()
    return Way(here.send, process.kill)


def forkserver(*, with_main: bool) -> Way:
    """The standard forkserver, with the app preloaded; `with_main` or not: if there is a main module, each child runs it again."""
    context = multiprocess.get_context("forkserver")
    context.set_forkserver_preload([APP])
    app = importlib.import_module(APP)
    main = vars(sys.modules["__main__"])
    kept = {name: main[name] for name in ("__file__", "__spec__")}

    def start(fifo: Path) -> None:
        main.update(kept if with_main else dict.fromkeys(kept))
        context.Process(target=app.live, args=(fifo,)).start()
        main.update(kept)

    return Way(start, lambda: None)


def measure(way: Way, folder: Path) -> list[Child]:
    """Start children one after the other, then look at the memory of all while they live side by side."""
    fifo = folder / "told"
    os.mkfifo(fifo)
    started = []
    for _ in range(CHILDREN + 1):
        asked = time.monotonic()
        way.start(fifo)
        reported = fifo.read_text().split()
        started.append((int(reported[0]), (float(reported[1]) - asked) * 1000))
    children = [Child(wait, *memory(pid)) for pid, wait in started[1:]]  # the first also waits for the app to load
    for pid, _ in started:
        os.kill(pid, signal.SIGKILL)
    way.end()
    fifo.unlink()
    return children


def memory(pid: int) -> tuple[float, float]:
    """Return PSS and own pages of a process, in MiB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    sizes = {name: int(value.split()[0]) / 1024 for name, value in lines.items()}
    return sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / f"{APP}.py").write_text(SOURCE)
        sys.path.insert(0, name)
        # The forkserver of Python 3.11 finds its preloads by the environment alone, and passes over what it does not find.
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        ways: dict[str, Callable[[], Way]] = {
            "zygote": our_way,
            "zygote without gc.freeze()": lambda: our_way(freeze=False),
            "forkserver with preload": lambda: forkserver(with_main=False),
            "the same, with its main module": lambda: forkserver(with_main=True),
        }
        print(f"{'median of ' + str(CHILDREN) + ' children':32}{'start':>10}{'PSS':>12}{'own':>12}")
        for title, make in ways.items():
            found = measure(make(), folder)
            start, pss, own = (statistics.median(column) for column in zip(*found, strict=True))
            print(f"{title:32}{start:7.1f} ms{pss:8.1f} MiB{own:8.1f} MiB")


if __name__ == "__main__":
    main()
