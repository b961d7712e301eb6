"""The names of a channel's keys as Markdown."""

from __future__ import annotations

from taskq.channel import Keys

__all__ = ["key_table"]

_WORKER, _MESSAGE = "<worker>", "<id>"


def key_table(keys: Keys) -> str:
    """Return one row for each key, with what it holds."""
    rows = [
        (keys.waiting, "list", "messages to run, the oldest at the tail"),
        (keys.delayed, "sorted set", "messages to run later, by due time in ms"),
        (keys.reserved(_WORKER), "list", "what one worker has taken and not settled"),
        (keys.failed, "sorted set", "messages that failed, by time in ms"),
        (keys.timeout, "sorted set", "messages that ran out of time, by time in ms"),
        (keys.parked, "sorted set", "messages that no live worker can run, by time in ms"),
        (keys.workers, "sorted set", "each worker's last heartbeat in ms"),
        (keys.worker(_WORKER), "hash", "what one worker is doing; ends by itself"),
        (keys.wake, "list", "a token that wakes a sleeping supervisor"),
        (keys.result(_MESSAGE), "list", "how one message ended, when that is kept; ends by itself"),
        (keys.parts(_MESSAGE), "stream", "what one generator job has yielded; ends by itself"),
        (keys.reading(_MESSAGE), "hash", "how far such a stream is written and read; ends by itself"),
        (keys.progress(_MESSAGE), "string", "how far one running job says that it is; ends by itself"),
        (keys.cancels, "hash", "orders to cancel what runs, by message; ends by itself"),
        (keys.calls("<supervisor>:x"), "list", "a token that tells a supervisor of such an order; ends by itself"),
        (keys.once(_MESSAGE), "string", "the mark of a push that may be repeated; ends by itself"),
    ]
    return "\n".join(["| Key | Type | Holds |", "|---|---|---|", *(f"| `{name}` | {kind} | {holds} |" for name, kind, holds in rows)])
