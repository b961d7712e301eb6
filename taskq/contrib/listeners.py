"""Ready-made listeners of `taskq.events.queue_length`: one logs long queues, the other reloads timed-out messages.

    from taskq.contrib.listeners import log_queue_lengths, reload_timeouts

    log_queue_lengths(warning=5_000)
    reload_timeouts(queue)

Call them in the module that `taskq worker` loads, where the jobs are. The worker emits the event every 500 messages or 10 s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from taskq.channel import State
from taskq.clock import monotonic
from taskq.errors import ConfigError
from taskq.events import QueueLength, queue_length
from taskq.inspector import Inspector
from taskq.queue import Queue

__all__ = ["log_queue_lengths", "reload_timeouts"]

Listener = Callable[[QueueLength], None]

_log = logging.getLogger("taskq.contrib")


def log_queue_lengths(
    *,
    warning: int = 1_000,
    error: int = 10_000,
    states: Iterable[State | str] = (State.WAITING,),
    logger: logging.Logger | None = None,
    repeat: float = 60.0,
) -> Listener:
    """Log when a state of a channel holds many messages, and when it no longer does.

    A length is logged when it crosses a threshold, and again every `repeat` seconds while it stays there. (A busy worker emits the
    lengths twice a second.)

    Args:
        warning: the number of messages from which the level is WARNING.
        error: the number of messages from which the level is ERROR.
        states: the states to watch (`State` members or their values).
        logger: the logger. Default: "taskq.contrib".
        repeat: the seconds until the same level is logged again.

    Returns:
        The connected listener. To disconnect it, call `taskq.events.queue_length.disconnect(listener)`.

    Raises:
        ConfigError: `warning` is below 1, `error` is below `warning`, `repeat` is negative, or a state is unknown.
    """
    if not 1 <= warning <= error:
        raise ConfigError(f"log_queue_lengths needs 1 <= warning <= error; got warning={warning} and error={error}")
    if repeat < 0:
        raise ConfigError(f"log_queue_lengths: repeat must be a non-negative number of seconds; got {repeat}")
    watch = _LengthLog(((error, logging.ERROR), (warning, logging.WARNING)), _states(states), logger or _log, repeat)
    return queue_length.connect(watch.listen)


def reload_timeouts(queue: Queue) -> Listener:
    """Reload the messages in `timeout`, with all their attempts, at every `queue_length` event.

    Use it with care: a job that never finishes in time is reloaded forever. Messages of jobs with `on_lost = "timeout"` (set for
    the job or its channel) are not reloaded, because they must not run twice without a decision by a person.

    Returns:
        The connected listener. To disconnect it, call `taskq.events.queue_length.disconnect(listener)`.
    """
    return queue_length.connect(_TimeoutReload(queue).listen)


def _states(states: Iterable[State | str]) -> tuple[State, ...]:
    try:
        chosen = tuple(State(state) for state in ((states,) if isinstance(states, str) else states))
    except ValueError as error:
        raise ConfigError(f"log_queue_lengths: {error}; the states are {', '.join(state.value for state in State)}") from None
    if not chosen:
        raise ConfigError("log_queue_lengths needs at least one state")
    return chosen


class _LengthLog:
    """Stores the last logged level of each state."""

    def __init__(self, thresholds: tuple[tuple[int, int], ...], states: tuple[State, ...], logger: logging.Logger, repeat: float) -> None:
        self._thresholds = thresholds
        self._states = states
        self._logger = logger
        self._repeat = repeat
        self._logged: dict[tuple[str, State], tuple[int, float]] = {}

    def listen(self, event: QueueLength) -> None:
        for state in self._states:
            self._look(event.channel, state, event.counts.get(state, 0))

    def _look(self, channel: str, state: State, length: int) -> None:
        limit, level = next(((limit, level) for limit, level in self._thresholds if length >= limit), (0, logging.INFO))
        now = monotonic()
        last, logged_at = self._logged.get((channel, state), (logging.INFO, now))
        if level == last and (level == logging.INFO or now - logged_at < self._repeat):
            return
        self._logged[channel, state] = (level, now)
        if level == logging.INFO:
            self._logger.info("channel %s: %d messages in %s, back to normal", channel, length, state.value)
        else:
            self._logger.log(level, "channel %s: %d messages in %s (limit %d)", channel, length, state.value, limit)


class _TimeoutReload:
    """Reloads the timed-out messages that may run again."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._inspector = Inspector(queue)

    def listen(self, event: QueueLength) -> None:
        if not event.counts.get(State.TIMEOUT, 0):
            return
        channel = event.channel
        # One by one, by id: a message that arrives meanwhile may be one that must not be reloaded.
        chosen = [
            entry.id
            for entry in self._inspector.entries(channel, State.TIMEOUT, limit=None, search=None)
            if self._on_lost(entry.job, channel) == "retry"
        ]
        count = sum(self._inspector.reload(channel, State.TIMEOUT, message_id=one) for one in chosen)
        if count:
            _log.warning("channel %s: reloaded %d timed-out messages", channel, count)

    def _on_lost(self, name: str, channel: str) -> str:
        job = self._queue.jobs.get(name)
        own = job.options_of_job.on_lost if job is not None else None
        return own or self._queue.channel(channel).on_lost
