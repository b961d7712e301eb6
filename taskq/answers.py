"""What can be asked about pushed messages: the part of a queue's outbox that handles stand on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from taskq.config import ChannelSettings, Settings
from taskq.driver.contract import Driver
from taskq.driver.pool import Sender
from taskq.driver.steps import Steps, arun, run
from taskq.errors import ArgumentsError
from taskq.handle.handle import Handle
from taskq.handle.subject import Subject
from taskq.wire.message import check_message_id
from taskq.wire.signing import Signer, result_signer

__all__ = ["Answers"]

T = TypeVar("T")


class Answers:
    """Asks the server about messages."""

    def __init__(self, settings: Settings, channel: Callable[[str], ChannelSettings]) -> None:
        self._settings = settings
        self._channel = channel
        self._url: str | None = None
        self._result_signers: dict[str, Signer | None] = {}

    def sender(self, channel: str) -> Sender:
        """The way to a channel's store."""
        raise NotImplementedError

    def url(self) -> str:
        """The server's URL."""
        raise NotImplementedError

    def withdraw(self, channel: str, payload: bytes) -> bool:
        """Take a message back, when it is still pending."""
        raise NotImplementedError

    def take_back(self, message_id: str) -> bool:
        """Take a message back that is still in a buffer of this thread or task."""
        raise NotImplementedError

    def check_sent(self, message_id: str) -> None:
        """See that a message isn't still in a buffer."""
        raise NotImplementedError

    def handle(self, message_id: str, channel: str) -> Handle[Any]:
        """Make the handle of a message anew; raises as `Queue.handle`."""
        if not isinstance(channel, str):
            raise ArgumentsError(f"channel is the name of a channel, not {channel!r}")
        self._channel(channel)
        return Handle(self, channel, check_message_id(message_id))

    def subject(self, channel: str, message_id: str, payload: bytes | None, keeps: bool | None) -> Subject:
        """Return what is asked about: a message, with who verifies its result."""
        prefix = self._channel(channel).channel
        if prefix not in self._result_signers:
            self._result_signers[prefix] = result_signer(self._settings, prefix)
        return Subject(message_id, channel, self._result_signers[prefix], payload, keeps)

    def ask(self, channel: str, question: Callable[[Driver], Steps[T]]) -> T:
        """Ask a question that takes several commands. (The methods of a handle do it.)"""
        sender = self.sender(channel)
        return run(question(sender.driver), sender)

    async def aask(self, channel: str, question: Callable[[Driver], Steps[T]]) -> T:
        """The same from async code."""
        await self.find_server()
        sender = self.sender(channel)
        return await arun(question(sender.driver), sender)

    async def find_server(self) -> None:
        """Learn the server's URL without holding up the event loop: the embedded server may have to be started."""
        if self._url is None and self._settings.url is None:
            import asyncio  # an application that only pushes from sync code never needs it

            await asyncio.to_thread(self.url)
