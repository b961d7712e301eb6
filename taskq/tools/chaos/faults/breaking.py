"""Faults that hit the server and the way to it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from functools import partial

from taskq.clock import monotonic
from taskq.driver.redis.scripts import load_script
from taskq.errors import ServerError
from taskq.tools.chaos.app import LEASE
from taskq.tools.chaos.stage import Fault, Stage, at_once

__all__ = [
    "cut_connections",
    "fill",
    "flush_scripts",
    "freeze_server",
    "hold_back",
    "kill_server",
    "lose_replies",
    "pause",
    "set_clock",
    "silence",
]


def kill_server(stage: Stage) -> Fault | None:
    """End the server as a crash does; it comes back after a while."""
    if stage.server_busy:
        return None
    seconds = stage.chance.choice([0.0, 0.3, 1.0, 1.7 * LEASE])
    fault = Fault(kind="server", begin=monotonic(), end=None, text=f"SIGKILL the server, down for {seconds:g} s")
    with contextlib.suppress(ServerError, ProcessLookupError):
        stage.site.server.kill()
    return _busy(stage, seconds, fault, stage.site.server.start)


def freeze_server(stage: Stage) -> Fault | None:
    """Stop the server's process: connections stay open, and no reply comes."""
    if stage.server_busy:
        return None
    seconds = stage.chance.choice([0.3, 1.0, 1.7 * LEASE])
    fault = Fault(kind="hang", begin=monotonic(), end=None, text=f"SIGSTOP the server for {seconds:g} s")
    stage.site.server.signal(signal.SIGSTOP)
    return _busy(stage, seconds, fault, partial(stage.site.server.signal, signal.SIGCONT))


def _busy(stage: Stage, seconds: float, fault: Fault, do: Callable[[], None]) -> Fault:
    stage.server_busy = True

    def undo() -> None:
        do()
        stage.server_busy = False

    return stage.after(seconds, fault, undo)


def _send(stage: Stage, kind: str, text: str, *words: str | int) -> Fault | None:
    if stage.server_busy:
        return None
    fault = at_once(kind, text)
    with contextlib.suppress(ServerError):  # it may cut the very connection that asks for it
        stage.site.server.send(*words)
    fault.end = monotonic()
    return fault


def cut_connections(stage: Stage) -> Fault | None:
    """Have the server close every connection."""
    return _send(stage, "connections", "CLIENT KILL of every connection", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")


def flush_scripts(stage: Stage) -> Fault | None:
    """Make the server forget every script."""
    return _send(stage, "scripts", "SCRIPT FLUSH", "SCRIPT", "FLUSH")


def pause(stage: Stage) -> Fault | None:
    """Let the server answer no client for a while."""
    seconds = stage.chance.choice([0.1, 0.5, 0.4 * LEASE, 1.7 * LEASE])
    fault = _send(stage, "pause", f"CLIENT PAUSE for {seconds:g} s", "CLIENT", "PAUSE", int(seconds * 1000), "ALL")
    if fault is None:
        return None
    fault.end = None
    return _busy(stage, seconds, fault, lambda: None)


def fill(stage: Stage) -> Fault | None:
    """Let the server's memory be full for a while."""
    seconds = stage.chance.uniform(0.2, 1.7 * LEASE)
    fault = _send(stage, "full", f"maxmemory reached for {seconds:.1f} s", "CONFIG", "SET", "maxmemory", 1)
    if fault is None:
        return None
    fault.end = None

    def free() -> None:
        stage.site.server.insist("CONFIG", "SET", "maxmemory", 0)

    return _busy(stage, seconds, fault, free)


def set_clock(stage: Stage) -> Fault | None:
    """Set the server's clock forward or back, and right again after a while."""
    # Not while the server is paused: it would stay paused until its clock shows that time.
    if stage.server_busy or not stage.site.server.has_clock:
        return None
    seconds = stage.chance.uniform(0.5, 3 * LEASE)
    step = stage.chance.choice([1, -1]) * stage.chance.choice([1, 60, 3600])
    fault = Fault(kind="clock", begin=monotonic(), end=None, text=f"the server's clock set by {step:+d} s for {seconds:.1f} s")
    stage.site.server.set_clock(step)
    return _busy(stage, seconds, fault, partial(stage.site.server.set_clock, 0))


def lose_replies(stage: Stage) -> Fault | None:
    """Have the relay throw away what the server answers next."""
    if stage.site.relay is None:
        return None
    count = stage.chance.choice([0, 0, 1, 3, 10])
    if count:
        stage.site.relay.lose(count)
        return at_once("replies", f"the next {count} replies are lost")
    stage.site.relay.lose_each()
    return at_once("replies", "the next reply of every connection is lost")


def hold_back(stage: Stage) -> Fault | None:
    """Have the relay deliver what clients send next so late that they have given it up."""
    if stage.site.relay is None:
        return None
    name = stage.chance.choice(["", "retry", "requeue"])  # any request, or those that do most harm when they are late
    count, seconds = stage.chance.choice([1, 3, 10]), stage.chance.choice([0.03, 0.05, 0.1, 0.5, LEASE, 3 * LEASE])
    text = f"the next {count} {name + ' commands' if name else 'requests'} are cut off and arrive {seconds:g} s later"
    fault = Fault(kind="late", begin=monotonic(), end=None, text=text)
    stage.site.relay.hold_back(count, seconds, load_script(name).sha.encode() if name else b"")
    return stage.after(seconds, fault, lambda: None)


def silence(stage: Stage) -> Fault | None:
    """Let the relay swallow everything on its connections, like a network with a pulled cable."""
    # A client that waits for a reply gives up after a third of the lease and reconnects.
    if stage.site.relay is None or not stage.hold_up(LEASE / 3):
        return None
    seconds = stage.chance.uniform(0.5, 4 * LEASE)
    fault = Fault(kind="silence", begin=monotonic(), end=None, text=f"connections swallow everything for {seconds:.1f} s")
    stage.site.relay.silence(seconds)
    return stage.after(seconds, fault, lambda: None)
