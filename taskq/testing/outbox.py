"""The outbox of a queue that is recorded: packs calls as usual, and sends them to the storage of the mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from taskq.config import Settings
from taskq.driver.contract import Command, Link
from taskq.driver.pool import LinkPool
from taskq.errors import TaskqError
from taskq.jobs.call import Call
from taskq.push.envelope import Outgoing
from taskq.push.outbox import Outbox, Owner
from taskq.push.view import Push
from taskq.testing.driver import MemoryDriver
from taskq.testing.pushed import Pushed

__all__ = ["MemoryPool", "PushLog", "RecordingOutbox"]


class PushLog:
    """The pushes of a recording, in order."""

    def __init__(self) -> None:
        self.pushed: list[Pushed] = []
        #: Packed, and not sent yet: they may be in an open buffer, or discarded by it.
        self._packed: dict[bytes, Pushed] = {}

    def note(self, push: Pushed) -> None:
        """Remember a packed call."""
        self._packed[bytes.fromhex(push.id)] = push

    def record(self, words: Sequence[Any]) -> None:
        """Record the messages among the words of a push command."""
        packed = (self._packed.pop(word[2:18], None) for word in words if isinstance(word, bytes))
        self.pushed.extend(push for push in packed if push is not None)

    def clear(self) -> None:
        """Forget all pushes."""
        self.pushed.clear()


class MemoryPool(LinkPool):
    """Executes commands at once, from any thread or event loop. It opens no connections."""

    def __init__(self, driver: MemoryDriver, pushed: Callable[[Sequence[Any]], None]) -> None:
        """`pushed` is called with the messages of each push."""
        super().__init__(driver.as_driver())
        self._memory = driver.link()
        self._pushed = pushed

    def call(self, command: Command, *, replicas: int = 0) -> Any:
        reply = self._memory.call(command)
        if command.move == "push":
            self._pushed(command.words)
        return reply

    async def acall(self, command: Command, *, replicas: int = 0) -> Any:
        return self.call(command)


class RecordingOutbox(Outbox):
    """Packs the calls of a queue with all checks, and records them in the push log."""

    def __init__(self, settings: Settings, owner: Owner, push_log: PushLog, pool: Callable[[Any, str], LinkPool], url: str | None) -> None:
        """`pool` makes the connections of a queue's channel. Without a URL, the messages stay in memory."""
        super().__init__(settings, owner)
        self._push_log = push_log
        self._pool = pool
        self._url = url or settings.url or "memory://"

    def _pack(self, call: Call[Any], push: Push | None = None) -> Outgoing:
        out = super()._pack(call, push)
        self._push_log.note(Pushed(call, out, self.packer.validator(call.job)))
        return out

    def _pack_all(self, calls: Iterable[Call[Any]]) -> list[Outgoing]:
        return [self._pack(call) for call in calls]

    def sender(self, channel: str) -> LinkPool:
        if (sender := self._senders.get(channel)) is None:
            self._owner.channel(channel)
            sender = self._senders[channel] = self._pool(self._owner, channel)
        return sender

    def check_work(self) -> None:
        text = "queue.work() gets no messages here, because taskq.testing records the pushes of this queue"
        raise TaskqError(f"{text}: use run_all(), or the mode worker")

    def lend(self, channel: str, link: Link) -> None:
        """No connection is needed."""
