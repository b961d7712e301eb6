"""The recorded pushes of a test: `Recording`, and the block that makes one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, overload

from taskq.clock import delay_ms
from taskq.driver.pool import LinkPool
from taskq.errors import ArgumentsError
from taskq.other_queues.attributes import hints
from taskq.queue import Queue
from taskq.testing.install import installed
from taskq.testing.memory import MemoryBackend
from taskq.testing.outbox import PushLog, RecordingOutbox
from taskq.testing.pushed import Expected, Pushed, Wanted, name_of

__all__ = ["Mode", "Recording", "record"]

#: pytest leaves the functions of this module out of tracebacks.
__tracebackhide__ = True

Mode = Literal["manual", "inline", "worker"]
_hints = hints("recording")
#: How many pushes a failed assertion shows.
_SHOWN = 5


class Backend(Protocol):
    """Protocol of a mode: where messages go, and how they run."""

    url: str | None

    def pool(self, queue: Queue, channel: str) -> LinkPool: ...

    def run_one(self, *, raises: bool) -> str: ...

    def run_all(self, *, delayed: bool, raises: bool, limit: int) -> int: ...

    def travel(self, milliseconds: int) -> None: ...

    def pending(self) -> set[str]: ...

    def clear(self) -> None: ...

    def close(self) -> None: ...


class Recording:
    """The pushes of a test, and methods that check and run them. Made by `record()`, or by the pytest fixture `taskq`."""

    def __init__(self, mode: Mode, push_log: PushLog, backend: Backend, *, raises: bool) -> None:
        self.mode = mode
        self._push_log = push_log
        self._backend = backend
        self._raises = raises

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in sys.modules["taskq"].__all__:
                text = f"{name!r} is in the module taskq, but here `taskq` is the recording: write from taskq import {name}"
                raise AttributeError(text, name=name)
            return _hints(self, name)

    @property
    def pushed(self) -> list[Pushed]:
        """All pushes since the start or the last `clear()`, oldest first, whether they have run or not."""
        return list(self._push_log.pushed)

    @property
    def pending(self) -> list[Pushed]:
        """The pushes whose messages are waiting or delayed: they have not run, or will run again."""
        ids = self._backend.pending()
        return [push for push in self._push_log.pushed if push.id in ids]

    @overload
    def assert_pushed(
        self,
        job: Any,
        /,
        *args: Any,
        channel: str | None = None,
        delay: float | timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        count: None = None,
        **kwargs: Any,
    ) -> Pushed: ...
    @overload
    def assert_pushed(
        self,
        job: Any,
        /,
        *args: Any,
        channel: str | None = None,
        delay: float | timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        count: int,
        **kwargs: Any,
    ) -> list[Pushed]: ...
    def assert_pushed(
        self,
        job: Any,
        /,
        *args: Any,
        channel: str | None = None,
        delay: float | timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        count: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Check that a job was pushed, with these arguments among others.

        Arguments are compared by parameter: a push by position matches a keyword, and defaults count.

        Args:
            job: the job, a bound call, or the name of a job; for `queue.call`, the callable; for `queue.push`, the object or its class.
            args: its first positional arguments.
            channel: the channel that it was pushed to.
            delay: the delay of the push: seconds (int or float) or a timedelta.
            headers: some of its headers.
            count: how many pushes must match. Default: at least one.
            kwargs: some of its keyword arguments; for an object, some of its attributes.

        Returns:
            The first push that matches; with `count`, the list of all that match.

        Raises:
            AssertionError: no push matches, or not `count` of them. The text shows the nearest pushes.
            ArgumentsError: the job has no such parameters, or an option is not valid.
        """
        if count is not None and (type(count) is not int or count < 0):
            raise ArgumentsError(f"count must be an integer from 0; got {count!r}")
        expected = Expected(job, args, kwargs, Wanted(channel, delay, headers))
        compared = [(expected.differences(push), push) for push in self._push_log.pushed if expected.is_of(push)]
        found = [push for differences, push in compared if not differences]
        if (count is None and not found) or (count is not None and len(found) != count):
            raise AssertionError(self._explain(expected, compared, len(found), count))
        return found[0] if count is None else found

    def assert_none_pushed(self, job: Any = None) -> None:
        """Check that nothing was pushed since the start or the last `clear()`, or nothing of one job. Pushes that have run count, too.

        Raises:
            AssertionError: something was pushed. The text shows it.
        """
        name = None if job is None else name_of(job)
        found = [push for push in self._push_log.pushed if name in (None, push.job)]
        if found:
            raise AssertionError(f"expected no push{'' if name is None else f' of {name}'}, but there {_were(len(found))}:{_listed(found)}")

    def run_one(self, *, raises: bool | None = None) -> Pushed:
        """Run the oldest message that is due, in this process.

        Args:
            raises: True to raise the exception of a failed run, after its retry or failure was stored. Default: True, unless `record`
                was given another default.

        Returns:
            The push that has run.

        Raises:
            TaskqError: no message is due.
        """
        identity = self._backend.run_one(raises=self._raises if raises is None else raises)
        return next(push for push in self._push_log.pushed if push.id == identity)

    def run_all(self, *, delayed: bool = False, raises: bool | None = None, limit: int = 1000) -> int:
        """Run all messages that are due, and all that these push, until none is left.

        Args:
            delayed: True to run delayed messages and retries, too: the clock travels to each.
            raises: True to raise the exception of the first failed run. Default: as for `run_one`.
            limit: the maximum number of runs. A job that pushes itself would never end.

        Returns:
            The number of runs.

        Raises:
            TaskqError: the limit was reached.
        """
        return self._backend.run_all(delayed=delayed, raises=self._raises if raises is None else raises, limit=limit)

    def travel(self, seconds: float | timedelta) -> None:
        """Advance the clock that decides when delayed messages and retries are due, and when results expire. Nothing sleeps.

        In mode inline, this runs the messages that are due then.

        Raises:
            DelayError: the time is negative, or not a number of seconds.
        """
        self._backend.travel(delay_ms(seconds))

    def clear(self) -> None:
        """Forget all pushes, messages and results."""
        self._push_log.clear()
        self._backend.clear()

    def _explain(self, expected: Expected, compared: list[tuple[list[str], Pushed]], found: int, count: int | None) -> str:
        text = f"{expected} was not pushed" if count is None else f"expected {count} pushes of {expected}, but {found} match"
        if not self._push_log.pushed:
            return f"{text}; nothing was pushed at all"
        if not compared:
            return f"{text}. There {_were(len(self._push_log.pushed))} of other jobs:{_listed(self._push_log.pushed)}"
        nearest = sorted(compared, key=lambda one: len(one[0]))
        lines = [f"\n  {push}" + "".join(f"\n      {difference}" for difference in differences) for differences, push in nearest[:_SHOWN]]
        return f"{text}. The pushes of this job, nearest first:{''.join(lines)}{_more(len(nearest))}"


def _listed(pushes: list[Pushed]) -> str:
    return "".join(f"\n  {push}" for push in pushes[:_SHOWN]) + _more(len(pushes))


def _were(count: int) -> str:
    return "was 1 push" if count == 1 else f"were {count} pushes"


def _more(count: int) -> str:
    return f"\n  and {count - _SHOWN} more" if count > _SHOWN else ""


def record(*chosen: Queue, mode: Mode = "manual", raises: bool = True) -> AbstractContextManager[Recording]:
    """Record the pushes of queues in the block, instead of sending them to a server. Everything is restored at the end of the block.

    Args:
        chosen: the queues. Default: all of the process, and those that the block creates.
        mode: `"manual"`: pushes run only by `run_one` and `run_all`. `"inline"`: each push runs at once. `"worker"`: a forked worker runs
            them, on an embedded server that lives as long as the block.
        raises: False to let failed runs fail and be retried without an exception in the test.

    Raises:
        ValueError: the mode is unknown.
        TypeError: an argument is not a queue.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be 'manual', 'inline' or 'worker'; got {mode!r}")
    for one in chosen:
        if not isinstance(one, Queue):
            raise TypeError(f"record() needs queues; got {one!r}. Use record(queue), or record() for all queues of the process")
    return _record(chosen, mode, raises=raises)


@contextmanager
def _record(chosen: Sequence[Queue], mode: Mode, *, raises: bool) -> Iterator[Recording]:
    push_log = PushLog()
    backend: Backend = _forked(push_log) if mode == "worker" else MemoryBackend(push_log, inline=mode == "inline", raises=raises)
    with installed(chosen, partial(RecordingOutbox, push_log=push_log, pool=backend.pool, url=backend.url)):
        try:
            yield Recording(mode, push_log, backend, raises=raises)
        finally:
            backend.close()


def _forked(push_log: PushLog) -> Backend:
    from taskq.testing.forked import WorkerBackend  # it imports the supervisor, which the other modes don't need

    return WorkerBackend(push_log)
