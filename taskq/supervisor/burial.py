"""What follows from a child's end: whose fault it was, and what happens to the messages it had reserved."""

from __future__ import annotations

import logging

from taskq.driver.base import Rescue
from taskq.history import pack_record, record_of
from taskq.supervisor.child import Child, Death
from taskq.supervisor.team import Team
from taskq.worker.memory import peak_bytes
from taskq.worker.record import Phase, Running

__all__ = ["bury"]

_log = logging.getLogger("taskq.supervisor")


def bury(team: Team, child: Child, death: Death, now: float) -> None:
    """Settle what a dead child had done, blame what it was running, and give back the rest in its order."""
    record = child.record
    done = record.done_ids()
    if done:
        team.insist(team.driver.ack(child.worker, done))
    running = record.running()
    orderly = death.status == 0 and record.phase is Phase.STOPPING
    rescue = Rescue(child.worker)
    if child.killed_for == "timeout":
        # Another job than the one it was killed for: that one had ended in the same moment.
        if running is not None and running.id == child.overdue:
            rescue = _timed_out(child, running)
    elif child.killed_for != "stop" and not orderly:
        rescue = _crashed(child, running, death)
        team.note_crash(now)
    elif child.killed_for == "stop" and running is not None:
        _log.warning(
            "worker %s was killed at its stop_timeout; %s %s runs again elsewhere, uncounted", child.worker, running.job, running.id.hex()
        )
    team.insist(team.driver.rescue(rescue))
    ended, failed = record.counts
    team.past_counts = [team.past_counts[0] + ended, team.past_counts[1] + failed]


def _timed_out(child: Child, running: Running) -> Rescue:
    text = f"JobTimeout: the job ignored its handle_timeout, and its process {child.worker} was killed"
    record = pack_record(record_of("timeout", child.worker, running.attempt, text))
    return Rescue(child.worker, 0, running.id, "timeout", record, running.retry_ms)


def _crashed(child: Child, running: Running | None, death: Death) -> Rescue:
    peak = f", peak memory {peak_bytes(death.maxrss) >> 20} MiB" if death.maxrss else ""
    what = f"worker {child.worker} (pid {child.pid}) {death}{peak}"
    if running is None:
        _log.error("%s while it ran no job", what)
        return Rescue(child.worker)
    _log.error("%s while it ran %s %s", what, running.job, running.id.hex())
    return Rescue(child.worker, 0, running.id, "crash", pack_record(record_of("crashed", child.worker, running.attempt, what)))
