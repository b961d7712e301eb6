"""Handles the exit of a child: counts crashes, settles and releases its reserved messages."""

from __future__ import annotations

import logging
from typing import Literal

from taskq.driver.contract import Blame, Command, Driver, Rescue, StoredEnding
from taskq.events import CrashEvent
from taskq.scoreboard.memory import peak_bytes
from taskq.scoreboard.state import CANT_START, Phase, Running
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.processes.child import Child, Death
from taskq.supervisor.rules import overdue
from taskq.wire.history import pack_record, record_of
from taskq.wire.message import is_stamped, message_id
from taskq.worker_id import runs_several

__all__ = ["crash_events", "rescue_of_lost", "settle_dead", "settle_finished"]

_log = logging.getLogger("taskq.supervisor")


def settle_dead(channel: ChannelState, child: Child, death: Death, now: float) -> None:
    """Settle the finished messages of an exited child, count a crash for its running ones, and release the rest in order."""
    slot = child.slot
    slot.release_dead_lock()
    if command := settle_finished(channel.driver, child):
        channel.insist(child.worker, command)
    running = slot.running()
    # With a hung zygote the exit status is unknown: then the last phase decides.
    orderly = death.status in (0, None) and slot.phase is Phase.STOPPING
    # With one job at a time, the supervisor killed it and has noted the message.
    late = {one.id for one in overdue(running, now)} if slot.lanes.count else set()
    if child.killed_for == "timeout":
        # Only the job that it was killed for counts: that job may have finished in the same moment.
        blamed = _timed_out(child, running, child.overdue)
    elif child.killed_for == "cancel":
        blamed = _cancelled(channel, child, running)
    elif child.killed_for == "stop" or orderly:
        blamed = _timed_out(child, running, late) if late else ()
        if child.killed_for == "stop" and slot.phase is Phase.STOPPING and not running:
            text = "worker process %s was killed %s: a shutdown hook, an atexit function or a thread had not ended"
            _log.warning(text, child.worker, child.stop_cause)
        for one in running if child.killed_for == "stop" else ():
            if one.id not in late:
                text = "worker process %s killed %s; %s %s will run again (no attempt used)"
                _log.warning(text, child.worker, child.stop_cause, one.job, one.id.hex())
    elif death.status == CANT_START and slot.phase is Phase.STARTING:
        blamed = ()
        channel.failed_starts += 1
    else:
        blamed = _crashed(child, running, death)
        if not death.is_with_zygote:  # the restarts of zygotes have their own pauses
            channel.note_crash(now)
    if slot.phase is not Phase.STARTING:
        channel.failed_starts = 0
    channel.insist(child.worker, channel.driver.rescue(Rescue(child.worker, blamed=blamed, stays=True)))
    ended, failed = slot.counts
    channel.past_counts = [channel.past_counts[0] + ended, channel.past_counts[1] + failed]


def settle_finished(driver: Driver, child: Child) -> Command | None:
    """Return the command that settles the finished messages of a child, and stores their results; None without any."""
    finished = child.slot.finished()
    endings = [(identity, StoredEnding(data, ttl_ms)) for identity, data, ttl_ms in finished if data]
    return driver.ack(child.worker, [identity for identity, _, _ in finished], endings=endings) if finished else None


def crash_events(child: Child, death: Death, now: float) -> list[CrashEvent]:
    """Return an event for each run that has ended with its process."""
    return [
        CrashEvent(
            id=one.id.hex(),
            job=one.job,
            channel=child.channel,
            attempt=one.attempt,
            worker=child.worker,
            seconds=max(0.0, now - one.started),
            reason=_reason(child, death, one),
        )
        for one in child.slot.running()
    ]


def _reason(child: Child, death: Death, one: Running) -> str:
    if child.killed_for == "timeout":
        return "killed at its handle_timeout" if one.id in child.overdue else "killed with another job, which ignored its handle_timeout"
    if child.killed_for == "cancel":
        return "killed by a cancel request" if (one.id, one.started) in child.cancelled else "killed with another job, which was cancelled"
    return f"killed {child.stop_cause}" if child.killed_for == "stop" else f"the process {death}"


def rescue_of_lost(channel: ChannelState, worker: str, beat: bytes | None, reason: str) -> Rescue:
    """Return the rescue of a lost worker, known only by its id. A crash is counted for the messages that it may have been running."""
    who: Literal["head", "all"] = "all" if runs_several(worker) else "head"
    record = record_of("lost", worker, 0, reason)
    blamed = [Blame(who, "crash", pack_record(record))]
    if channel.signer is not None:
        # A signature belongs to one message. The record without one is for a message that arrives meanwhile.
        held = channel.ask(channel.driver.holdings(worker), lambda _: None) or ()
        ids = [message_id(raw) for raw in (held if who == "all" else held[:1]) if is_stamped(raw)]
        blamed += [Blame(identity, "crash", pack_record(record, identity, channel.signer)) for identity in ids]
    return Rescue(worker, beat, tuple(blamed))


def _timed_out(child: Child, running: list[Running], late: set[bytes]) -> tuple[Blame, ...]:
    """Count an attempt of the late messages, if they were still running. The other jobs only shared their process."""
    blamed = [one for one in running if one.id in late]
    ended = "killed" if child.killed_for else "ended"
    text = f"JobTimeout: the job did not stop at its handle_timeout; its worker process {child.worker} was {ended}"
    counted = tuple(Blame(one.id, "timeout", _attempt_record("timeout", child, one, text), one.retry_ms) for one in blamed)
    if not blamed:
        return ()
    names = ", ".join(f"{one.job} {one.id.hex()}" for one in blamed)
    beside = f"worker process {child.worker} was {ended} while it also ran this job: {names} did not stop at its handle_timeout"
    return counted + tuple(Blame(one.id, "bystander", _attempt_record("lost", child, one, beside)) for one in running if one.id not in late)


def _cancelled(channel: ChannelState, child: Child, running: list[Running]) -> tuple[Blame, ...]:
    """Settle the cancelled messages, if the same runs were still going on. The other jobs only shared their process."""
    others = []
    for one in running:
        kept = child.cancelled.get((one.id, one.started))
        if kept is None:
            others.append(one)
        else:
            channel.insist(child.worker, channel.driver.finish(child.worker, one.id, kept))
    beside = f"worker process {child.worker} was killed while it also ran this job: another job was cancelled and did not stop"
    return tuple(Blame(one.id, "bystander", _attempt_record("lost", child, one, beside)) for one in others)


def _crashed(child: Child, running: list[Running], death: Death) -> tuple[Blame, ...]:
    peak = f", peak memory {peak_bytes(death.maxrss) >> 20} MiB" if death.maxrss else ""
    what = f"worker process {child.worker} (pid {child.pid}) {death}{peak}"
    if running:
        _log.error("%s while running %s", what, ", ".join(f"{one.job} {one.id.hex()}" for one in running))
    elif not death.is_with_zygote:
        _log.error("%s while idle", what)
    beside = f", while running {len(running)} jobs" if len(running) > 1 else ""
    return tuple(Blame(one.id, "crash", _attempt_record("crashed", child, one, what + beside)) for one in running)


def _attempt_record(kind: str, child: Child, running: Running, text: str) -> bytes:
    return pack_record(record_of(kind, child.worker, running.attempt, text), running.id, child.signer)  # type: ignore[arg-type]
