"""The demo from the first push to the last check. What it looks like is the viewer's matter."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from taskq.channel import State
from taskq.clock import monotonic
from taskq.errors import TaskqError
from taskq.inspector import Counts
from taskq.jobs.call import Call
from taskq.tools.demo.app import CHANNEL
from taskq.tools.demo.check import Check, check
from taskq.tools.demo.files import Found
from taskq.tools.demo.place import Place
from taskq.tools.demo.results import Reader, Tally
from taskq.tools.scratch.signals import undisturbed
from taskq.tools.scratch.worker import Worker

__all__ = ["Report", "Run", "Scene", "Viewer"]

_LOOK = 0.1
_CHUNK = 2_000
#: A message can change its state while the states are counted one by one: several looks must find nothing.
_SURE, _SURE_WITHOUT_ALL = 2, 10
#: Every tenth file is delayed, by 0.1 to 2 seconds.
_DELAYED_EVERY, _DELAYS = 10, tuple(round(0.1 * step, 1) for step in range(1, 21))


class Scene(NamedTuple):
    """A snapshot of the run, for the view."""

    counts: Counts
    total: int
    tally: Tally
    seconds: float


class Viewer(Protocol):
    """Protocol: shows the progress of a demo."""

    def show(self, scene: Scene) -> None: ...

    def note(self, text: str, *, good: bool) -> None: ...

    def checking(self, done: int, total: int) -> None: ...


class Report(NamedTuple):
    """How it ended."""

    tally: Tally
    check: Check
    #: Files that were pushed with a delay.
    delayed: int
    #: From the first push to the last result.
    seconds: float
    #: Failed runs of the report before it was reloaded and succeeded; 0 when it went otherwise.
    failures: int
    skipped: Counter[str]


class Run:
    """One demo."""

    def __init__(self, place: Place, found: Found, processes: int, viewer: Viewer) -> None:
        self._place = place
        self._files = found.files
        self._skipped = found.skipped
        self._processes = processes
        self._worker = Worker(place.app.queue, CHANNEL, place.log)
        self._viewer = viewer
        self._reader = Reader(place.results)
        self._tally = Tally()
        self._problems: list[str] = []
        self._delayed = 0
        self._began = self._counted_at = monotonic()

    def play(self) -> Report:
        """Push, watch, fix, reload, check.

        Raises:
            TaskqError: the worker or the server has ended.
        """
        try:
            self._worker.start(self._processes)
            self._wait_for_worker()
            self._began = self._counted_at = monotonic()
            self._push()
            self._watch()
            failures = self._mend()
        finally:
            with undisturbed():
                self._worker.stop()
        result = check(self._files, self._tally, self._viewer.checking)
        result = result._replace(problems=self._problems + result.problems)
        seconds = self._counted_at - self._began
        return Report(self._tally, result, self._delayed, seconds, failures, self._skipped + self._tally.skipped)

    # ---- the acts

    def _wait_for_worker(self) -> None:
        inspector = self._place.inspector
        while sum(worker.pid > 0 for worker in inspector.workers(CHANNEL)) < self._processes:
            self._pause()

    def _push(self) -> None:
        app, place = self._place.app, self._place
        app.write_report.push(str(place.results), str(place.report))
        for start in range(0, len(self._files), _CHUNK):
            app.queue.send_many(self._calls(range(start, min(start + _CHUNK, len(self._files)))))
            self._look()

    def _calls(self, numbers: Sequence[int]) -> list[Call[None]]:
        """Return the calls for some of the files, those of one delay side by side: they travel together."""
        job, results = self._place.app.count_file, str(self._place.results)
        by_delay: dict[float, list[Call[None]]] = {}
        for number in numbers:
            by_delay.setdefault(_delay_of(number), []).append(job.bind(self._files[number].path, results))
        self._delayed += sum(len(calls) for delay, calls in by_delay.items() if delay)
        return [call.with_options(delay=delay) for delay, calls in by_delay.items() for call in calls]

    def _watch(self) -> None:
        """Look on until nothing is left to do."""
        still = 0
        while still < (_SURE if len(self._tally.by_path) >= len(self._files) else _SURE_WITHOUT_ALL):
            self._pause()
            counts = self._look()
            still = 0 if counts.waiting or counts.reserved or counts.delayed else still + 1

    def _mend(self) -> int:
        """Remove the cause of the failure, and reload what has failed."""
        inspector, target = self._place.inspector, self._place.report.parent
        failed = list(inspector.entries(CHANNEL, State.FAILED))
        ours = [entry for entry in failed if entry.job.endswith(":write_report")]
        self._problems += [f"{entry.job} failed: {entry.error}" for entry in failed if entry not in ours]
        if len(ours) != 1:
            self._problems.append("the report should have failed permanently once. Worker log:\n" + self._worker.last_words())
            return 0
        entry = ours[0]
        self._viewer.note(f"write_report failed {len(entry.history)} times and moved to failed: {entry.error}", good=False)
        target.mkdir()
        moved = inspector.reload(CHANNEL, State.FAILED, message_id=entry.id)
        self._viewer.note(f"The missing folder exists now; {moved} message was reloaded (as with: taskq reload {CHANNEL})", good=True)
        self._watch()
        if self._written() != self._tally.sums() or self._look().total:
            self._problems.append("the reloaded report is wrong. Worker log:\n" + self._worker.last_words())
            return 0
        self._viewer.note("write_report succeeded", good=True)
        return len(entry.history)

    def _written(self) -> dict[str, int]:
        try:
            sums: dict[str, int] = json.loads(self._place.report.read_text(encoding="ascii"))
        except FileNotFoundError:
            return {}
        return sums

    # ---- looking

    def _look(self) -> Counts:
        counts = self._place.inspector.counts(CHANNEL)
        for result in self._reader.new():
            self._tally.add(result)
            self._counted_at = monotonic()
        self._viewer.show(Scene(counts, len(self._files), self._tally, monotonic() - self._began))
        return counts

    def _pause(self) -> None:
        if not self._worker.is_alive:
            raise TaskqError(f"the demo's worker has ended. Worker log:\n{self._worker.last_words()}")
        time.sleep(_LOOK)


def _delay_of(number: int) -> float:
    return 0.0 if number % _DELAYED_EVERY else _DELAYS[number // _DELAYED_EVERY % len(_DELAYS)]
