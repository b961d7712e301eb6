"""Ready listeners of `taskq.events.queue_length`: one logs long queues, one gives timed out messages another chance.

    from taskq.contrib.listeners import log_queue_lengths, reload_timeouts

    log_queue_lengths(warning=5_000)
    reload_timeouts(queue)

Call them where the jobs are: in the module that `taskq worker` loads. The worker emits the event every 500 messages or 10 s.
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
    """Log a state of a channel that holds many messages, and log when it is short again.

    A length is logged when it crosses a threshold, and while it stays there once in `repeat` seconds: a busy worker tells the
    lengths twice a second.

    Args:
        warning: from this number on it is a warning.
        error: from this number on it is an error.
        states: which states are looked at.
        logger: where to; default: the logger "taskq.contrib".
        repeat: seconds until the same is said again.

    Returns:
        The listener, connected. `taskq.events.queue_length.disconnect(listener)` ends it.

    Raises:
        ConfigError: `error` is below `warning`, or one is no positive number, or a state is none of taskq's.
    """
    if not 1 <= warning <= error:
        raise ConfigError(f"log_queue_lengths needs 1 <= warning <= error, not warning={warning} and error={error}")
    if repeat < 0:
        raise ConfigError(f"log_queue_lengths: repeat is a number of seconds, not {repeat}")
    watch = _LengthLog(((error, logging.ERROR), (warning, logging.WARNING)), _states(states), logger or _log, repeat)
    return queue_length.connect(watch.listen)


def reload_timeouts(queue: Queue) -> Listener:
    """Put messages of the state `timeout` back to waiting whenever the lengths are told, for a fresh round of attempts.

    Think twice: a job that never ends in time comes back for ever. Messages of jobs with `on_lost = "timeout"` (their own
    setting, or their channel's) are left alone: these must not run twice unless a person says so.

    Returns:
        The listener, connected. `taskq.events.queue_length.disconnect(listener)` ends it.
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
    """Remembers what was said last of each state."""

    def __init__(self, thresholds: tuple[tuple[int, int], ...], states: tuple[State, ...], logger: logging.Logger, repeat: float) -> None:
        self._thresholds = thresholds
        self._states = states
        self._logger = logger
        self._repeat = repeat
        self._said: dict[tuple[str, State], tuple[int, float]] = {}

    def listen(self, event: QueueLength) -> None:
        for state in self._states:
            self._look(event.channel, state, event.counts.get(state, 0))

    def _look(self, channel: str, state: State, length: int) -> None:
        limit, level = next(((limit, level) for limit, level in self._thresholds if length >= limit), (0, logging.INFO))
        now = monotonic()
        last, said_at = self._said.get((channel, state), (logging.INFO, now))
        if level == last and (level == logging.INFO or now - said_at < self._repeat):
            return
        self._said[channel, state] = (level, now)
        if level == logging.INFO:
            self._logger.info("channel %s: %d messages in %s, which is fine again", channel, length, state.value)
        else:
            self._logger.log(level, "channel %s: %d messages in %s (limit %d)", channel, length, state.value, limit)


class _TimeoutReload:
    """Reloads what may be reloaded."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._inspector = Inspector(queue)

    def listen(self, event: QueueLength) -> None:
        if not event.counts.get(State.TIMEOUT, 0):
            return
        channel = event.channel
        # One by one, by id: what comes meanwhile may be a message that must be left alone.
        chosen = [entry.id for entry in self._inspector.entries(channel, State.TIMEOUT) if self._on_lost(entry.job, channel) == "retry"]
        count = sum(self._inspector.reload(channel, State.TIMEOUT, message_id=one) for one in chosen)
        if count:
            _log.warning("channel %s: %d timed out messages were put back to waiting", channel, count)

    def _on_lost(self, name: str, channel: str) -> str:
        job = self._queue.jobs.get(name)
        own = job.options_of_job.on_lost if job is not None else None
        return own or self._queue.channel(channel).on_lost
