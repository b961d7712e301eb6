"""The simulation replaces every clock and sleep of the code that it drives, and puts all of it back."""

from __future__ import annotations

import ast
import sys
import threading
from pathlib import Path

import taskq
from taskq import clock
from taskq.tools.simulation import hunt
from taskq.tools.simulation.doubles import substitutes
from taskq.worker.concurrent.timers import Timers

ROOT = Path(taskq.__file__).parent
#: Modules that read `time` themselves and don't take part: threads of the interpreter, and what the doubles stand for.
_OUTSIDE = {
    "supervisor.processes.fork",
    "supervisor.processes.semaphore",
    "worker.concurrent.threads",
    "worker.execute.progress",
    "worker.execute.streams.writer",
}


def test_no_module_reads_the_real_time() -> None:
    """Given a module of the worker, the supervisor or the driver that imports `time`, then the simulation replaces that name in it."""
    replaced = {path for path, name, _ in substitutes.TABLE if name == "time"}
    for folder in ("driver", "handle", "push", "scoreboard", "supervisor", "wire", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            imported = {
                alias.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import) for alias in node.names
            }
            if "time" in imported and not name.startswith("driver.embedded"):
                assert name in replaced | _OUTSIDE, f"{name} imports time: replace it in taskq.tools.simulation.doubles.substitutes"


def test_the_clocks_are_restored() -> None:
    """Given a simulation, then its clock replaces the real one, and afterwards every module has the real ones again."""
    assert hunt
    with substitutes.substituted():
        assert clock.monotonic is substitutes._monotonic
    for path, module in list(sys.modules.items()):
        if path.startswith("taskq."):
            for name in ("monotonic", "now_ms"):
                value = vars(module).get(name)
                assert value is None or value.__module__ != substitutes.__name__, f"{path}.{name} is still simulated"


def test_timers_of_this_process_keep_their_clock() -> None:
    """Given a thread of timers that runs already, when it looks at the clock while a simulation is set up, then it sees the real time."""
    timers, due = Timers(), threading.Event()
    timers.set(clock.monotonic() + 60, due.clear)
    now = clock.monotonic()
    with substitutes.substituted():
        timers.set(now, due.set)
        assert due.wait(10)
