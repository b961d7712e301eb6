"""Where the doubles take the place of the product's own: the clocks, the network, and what touches the operating system.

Only names are replaced, and only while a simulation runs. Everything else is the product's own code.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

from taskq import clock
from taskq.driver.redis import scripts
from taskq.driver.redis.address import Address
from taskq.tools.simulation import here
from taskq.tools.simulation.doubles import lanes, supervisor, worker
from taskq.tools.simulation.network.connection import Connection
from taskq.tools.simulation.store import NOW
from taskq.worker_id import pack_traits

__all__ = ["TABLE", "substituted"]

_LUA_NOW = f"local function now()\n  return tonumber(redis.call('GET', '{NOW}'))\nend\n"
_read_script = scripts._read


def _monotonic() -> float:
    return float(here.system().world.now)


def _now_ms() -> int:
    return int(here.system().world.now_ms())


def _sleep(seconds: float) -> None:
    here.system().world.sleep(seconds)


def _read(name: str) -> str:
    return _LUA_NOW if name == "_now" else _read_script(name)


def _new_worker_id(host: str, tag: str, *, lease: float = 15.0, concurrency: int = 1) -> str:
    return str(here.system().new_worker_id(host, tag, pack_traits(lease, concurrency)))


def _drain(pokes: Any) -> bytes:
    pokes.count = 0
    return b""


def _connection(self: Any, key: str, timeout: float) -> Connection:
    return Connection(here.system().network, timeout)


_OS = SimpleNamespace(
    getpid=lambda: here.system().supervisor().pid,
    kill=lambda pid, number: here.system().signal(pid, number),
    killpg=lambda pid, number: here.system().signal(pid, number),
    close=lambda descriptor: None,
)
_TITLE = SimpleNamespace(getproctitle=lambda: "", setproctitle=lambda title: None)
_TIME = SimpleNamespace(sleep=_sleep)
#: Module, name, and what takes its place.
TABLE: tuple[tuple[str, str, Any], ...] = (
    ("driver.redis.address.Address", "connection", _connection),
    ("driver.redis.driver", "Address", cache(Address)),
    ("driver.redis.scripts", "_read", _read),
    ("driver.steps", "time", _TIME),
    ("worker.settler", "time", _TIME),
    ("worker.main", "Lifespan", worker.Lifespan),
    ("worker.main", "_lend", lambda queue, url, channel, link: None),
    ("worker.serial.engine", "SignalWait", worker.Signals),
    ("worker.serial.engine", "SyncExecutor", worker.Executor),
    ("worker.serial.loop", "ProcessState", worker.ProcessState),
    ("worker.concurrent.engine", "new_loop", lanes.Loop),
    ("worker.concurrent.engine", "threading", SimpleNamespace(Thread=lanes.Thread)),
    ("worker.concurrent.engine", "asyncio", SimpleNamespace(all_tasks=lanes.all_tasks)),
    ("worker.concurrent.engine", "WakeableWait", lanes.WakeableWait),
    ("worker.concurrent.engine", "Timers", lanes.Timers),
    ("worker.concurrent.job_threads", "threading", SimpleNamespace(Thread=lanes.Thread, Lock=lanes.Lock)),
    ("worker.concurrent.job_threads", "_log", worker.FailingLog()),
    ("worker.concurrent.lane", "ThreadExecutor", lanes.ThreadExecutor),
    ("worker.concurrent.completions", "ProcessState", worker.ProcessState),
    ("worker.concurrent.lane", "_log", worker.FailingLog()),
    ("supervisor.duties", "_log", worker.FailingLog()),
    ("supervisor.supervisor", "SignalInbox", supervisor.Inbox),
    ("supervisor.supervisor", "make_plan", lambda app, options: here.system().plan()),
    ("supervisor.supervisor", "log_banner", lambda *_parts: None),
    ("supervisor.supervisor", "setproctitle", _TITLE),
    ("supervisor.banner", "setproctitle", _TITLE),
    ("supervisor.supervisor", "wake_pipe", lambda: (here.system().supervisor().pokes, -1)),
    ("supervisor.supervisor", "wait_for", supervisor.wait_for),
    ("supervisor.supervisor", "drain", _drain),
    ("supervisor.supervisor", "os", _OS),
    ("supervisor.supervisor", "LogThread", supervisor.LogThread),
    ("supervisor.manager", "wait_for", supervisor.wait_for),
    ("supervisor.children", "is_surely_dead", lambda worker, tag: here.system().is_surely_dead(worker, tag)),
    ("supervisor.manager", "os", _OS),
    ("supervisor.children", "machine_name", lambda: here.system().supervisor().name),
    ("supervisor.children", "machine_tag", lambda: here.system().supervisor().tag),
    ("supervisor.children", "new_worker_id", _new_worker_id),
    ("supervisor.children", "reviver", lambda settings: None),
    ("supervisor.processes.slots", "make_lock", worker.Lock),
    ("supervisor.processes.generation", "make_pipe", supervisor.make_pipe),
    ("supervisor.processes.generation", "fork", supervisor.Zygote),
    ("supervisor.processes.generation", "can_take", lambda end: True),
    ("supervisor.processes.child", "os", _OS),
    ("supervisor.processes.liveness", "has_exited", lambda pid: here.system().has_exited(pid)),
    ("supervisor.services.heartbeat", "memory_of", lambda pid: 0),
    ("supervisor.services.heartbeat", "os", _OS),
    ("supervisor.services.wakeup", "machine_name", lambda: here.system().supervisor().name),
    ("supervisor.services.wakeup", "machine_tag", lambda: here.system().supervisor().tag),
    ("supervisor.services.wakeup", "new_worker_id", _new_worker_id),
)
#: Replaced in every module of taskq that has imported them by name, except in those that watch a simulation from outside, and in
#: the timers: `lanes.Timers` takes their place, and a thread of real ones, which never ends, may still run in this process.
_OUTSIDE = ("taskq.cli", "taskq.tools", "taskq.worker.concurrent.timers")
_CLOCKS: tuple[tuple[str, Any, Any], ...] = (("monotonic", clock.monotonic, _monotonic), ("now_ms", clock.now_ms, _now_ms))


def _owner(path: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"taskq.{path}")
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(f"taskq.{module}"), name)


def _swap_clocks(*, back: bool) -> None:
    for name, real, double in _CLOCKS:
        old, new = (double, real) if back else (real, double)
        for path, module in list(sys.modules.items()):
            if path.startswith("taskq.") and not path.startswith(_OUTSIDE) and vars(module).get(name) is old:
                setattr(module, name, new)


@contextmanager
def substituted() -> Iterator[None]:
    """Put the doubles in place during the block."""
    owners = [(_owner(path), name, double) for path, name, double in TABLE]
    originals = [(owner, name, vars(owner)[name]) for owner, name, _ in owners]
    state = random.getstate()
    for owner, name, double in owners:
        setattr(owner, name, double)
    _swap_clocks(back=False)
    scripts.load_script.cache_clear()
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)
        _swap_clocks(back=True)
        scripts.load_script.cache_clear()
        random.setstate(state)
