"""The names of a channel's keys as Markdown."""

from __future__ import annotations

from taskq.channel import Keys

__all__ = ["key_table"]

_WORKER, _MESSAGE = "<worker>", "<id>"


def key_table(keys: Keys) -> str:
    """Return one row for each key: its name, type, content and whether it expires."""
    rows = [
        (keys.waiting, "list", "messages to run, the oldest at the tail", ""),
        (keys.delayed, "sorted set", "messages to run later, by due time in ms", ""),
        (keys.reserved(_WORKER), "list", "messages that one worker process has reserved and not settled", ""),
        (keys.failed, "sorted set", "messages that failed permanently, by time in ms", ""),
        (keys.timeout, "sorted set", "messages whose last attempt timed out, by time in ms", ""),
        (keys.parked, "sorted set", "messages that no live worker can run, by time in ms", ""),
        (keys.workers, "sorted set", "the last heartbeat of each worker process, in ms", ""),
        (keys.worker(_WORKER), "hash", "current activity of one worker process", "yes"),
        (keys.wake, "list", "a token that wakes a sleeping supervisor", ""),
        (keys.result(_MESSAGE), "list", "the result of one message, if it is stored", "yes"),
        (keys.parts(_MESSAGE), "stream", "the items that one generator job has yielded", "yes"),
        (keys.reading(_MESSAGE), "hash", "how far that stream is written and read", "yes"),
        (keys.progress(_MESSAGE), "string", "the progress that one running job has reported", "yes"),
        (keys.cancels, "hash", "cancel requests for running jobs, by message", "yes"),
        (keys.cancel_wake("<supervisor>:x"), "list", "a token that notifies a supervisor of a cancel request", "yes"),
        (keys.scanned, "hash", "the supervisor that last scanned for orphaned messages, and when", "yes"),
        (keys.once(_MESSAGE), "string", "the idempotency key of a push with `once=True`", "yes"),
    ]
    lines = [f"| `{name}` | {kind} | {content} | {expires} |" for name, kind, content, expires in rows]
    return "\n".join(["| Key | Type | Content | Expires |", "|---|---|---|---|", *lines])
