"""The outbox of a queue: takes packed messages to the stores of their channels, at once or through an open buffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from taskq.answers import Answers
from taskq.buffer import is_buffered, open_buffer, withdraw
from taskq.config import ChannelSettings, Settings
from taskq.driver.contract import Link
from taskq.driver.load import load_driver, reviver, server_url
from taskq.driver.pool import Sender
from taskq.errors import TaskqError
from taskq.handle.handle import Handle
from taskq.outgoing import Outgoing, command_of, grouped
from taskq.push.repeat import apush, push
from taskq.wire.message import Message

__all__ = ["Outbox"]


class Outbox(Answers):
    """Sends what is packed. Takes messages back, too."""

    def __init__(self, settings: Settings, channel: Callable[[str], ChannelSettings]) -> None:
        super().__init__(settings, channel)
        self._senders: dict[str, Sender] = {}

    # ---- pushes

    def send(self, out: Outgoing) -> Handle[Any]:
        """Send one message, or keep it when a buffer is open."""
        if open_buffer(self) is not None:
            return self.send_many((out,))[0]
        handle = self._handle(out)
        sender = self.sender(out.channel)
        push(sender, command_of(sender.driver, (out,)), (handle,), repeatable=out.once)
        return handle

    def send_many(self, outs: Sequence[Outgoing]) -> list[Handle[Any]]:
        """Send messages, or keep them when a buffer is open."""
        buffer = open_buffer(self)
        if buffer is None:
            return self.store(outs)
        if buffer.add(outs):
            buffer.flush()
        return [self._handle(out) for out in outs]

    async def asend_many(self, outs: Sequence[Outgoing]) -> list[Handle[Any]]:
        """The same from async code."""
        buffer = open_buffer(self)
        if buffer is None:
            return await self.astore(outs)
        if buffer.add(outs):
            await buffer.aflush()
        return [self._handle(out) for out in outs]

    def store(self, outs: Sequence[Outgoing]) -> list[Handle[Any]]:
        """Send messages now, a round trip a batch."""
        stored: list[Handle[Any]] = []
        made = {out.identity: self._handle(out) for out in outs}
        for group in grouped(outs):
            sender, handles = self.sender(group[0].channel), [made[out.identity] for out in group]
            try:
                push(sender, command_of(sender.driver, group), handles, repeatable=group[0].once)
            except TaskqError as error:
                error.stored = tuple(stored)
                raise
            stored += handles
        return list(made.values())

    async def astore(self, outs: Sequence[Outgoing]) -> list[Handle[Any]]:
        """The same from async code."""
        stored: list[Handle[Any]] = []
        await self.find_server()
        made = {out.identity: self._handle(out) for out in outs}
        for group in grouped(outs):
            sender, handles = self.sender(group[0].channel), [made[out.identity] for out in group]
            try:
                await apush(sender, command_of(sender.driver, group), handles, repeatable=group[0].once)
            except TaskqError as error:
                error.stored = tuple(stored)
                raise
            stored += handles
        return list(made.values())

    def withdraw(self, channel: str, payload: bytes) -> bool:
        """Take a message back, when it is still in a buffer, delayed or waiting."""
        if self.take_back(Message(payload).hex_id):
            return True
        sender = self.sender(channel)
        return bool(sender.call(sender.driver.withdraw(payload)))

    def take_back(self, message_id: str) -> bool:
        """Take a message back that is still in a buffer of this thread or task."""
        return withdraw(self, bytes.fromhex(message_id))

    def check_sent(self, message_id: str) -> None:
        """See that a message isn't still in a buffer; raises RuntimeError."""
        if is_buffered(self, bytes.fromhex(message_id)):
            raise RuntimeError(f"message {message_id} is still in the buffer: leave the block or flush() the buffer first")

    # ---- the way there

    def url(self) -> str:
        """The server's URL; starts the embedded server when the settings name none and the extra is installed."""
        if self._url is None:
            self._url = server_url(self._settings)
        return self._url

    def sender(self, channel: str) -> Sender:
        """The way to a channel's store."""
        if (sender := self._senders.get(channel)) is None:
            driver = load_driver(self.url(), self._channel(channel))
            sender = self._senders[channel] = Sender(driver, reviver(self._settings), replicas=self._settings.wait_replicas)
        return sender

    def lend(self, channel: str, link: Link) -> None:
        """Let this thread push to a channel over a connection that is there already: a job over its worker's."""
        self.sender(channel).lend(link)

    def close(self) -> None:
        """Close the connections that lie idle."""
        for sender in list(self._senders.values()):
            sender.close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        for sender in list(self._senders.values()):
            await sender.aclose()

    def _handle(self, out: Outgoing) -> Handle[Any]:
        return Handle(self, out.channel, out.identity.hex(), out.payload, out.keeps, out.is_stream)
