"""The outbox of a queue: packs calls and pushes them, at once or through an open buffer; and answers the queries of handles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from taskq.config import Settings
from taskq.driver import remove
from taskq.driver.contract import Driver, Link
from taskq.driver.load import first_use, server_url
from taskq.driver.pool import LinkPool
from taskq.driver.registry import make_pool
from taskq.driver.steps import Steps, arun, run
from taskq.errors import ArgumentsError, PushError, TaskqError
from taskq.handle.handle import Handle
from taskq.handle.subject import Subject
from taskq.jobs.call import Call
from taskq.jobs.many import ManyCalls
from taskq.jobs.registry import Registry
from taskq.push.buffer import is_buffered, open_buffer, withdraw
from taskq.push.bulk import pack_many
from taskq.push.commands import command_of, grouped
from taskq.push.envelope import Outgoing, Watched
from taskq.push.headers import IN_USE, headers_here
from taskq.push.hooks import Hooked, arun_pushed, arun_pushing, check_sync_pushed, has_pushed, run_pushed, run_pushing
from taskq.push.importing import running_import
from taskq.push.loops import warn_in_loop
from taskq.push.packer import Packer
from taskq.push.repeat import apush, push
from taskq.push.restore import restorer
from taskq.push.view import Push
from taskq.wire.headers import check_headers
from taskq.wire.message import Message, check_message_id
from taskq.wire.signing import Signer, result_signer

__all__ = ["Outbox"]

T = TypeVar("T")


class Owner(Hooked, Protocol):
    """Protocol of an outbox's owner, the queue: knows the settings of its channels."""

    jobs: Registry

    def has_pickle_jobs(self) -> bool: ...


class Outbox:
    """Sends the calls of one queue, withdraws messages, and answers the queries of handles."""

    def __init__(self, settings: Settings, owner: Owner) -> None:
        self.packer = Packer(settings, lambda channel: owner.channel(channel).channel)
        self._settings = settings
        self._owner = owner
        self._url: str | None = None
        self._result_signers: dict[str, Signer | None] = {}
        self._senders: dict[str, LinkPool] = {}

    # ---- pushes

    def send(self, call: Call[T]) -> Handle[T]:
        """Push a call; keep it while a buffer is open."""
        out = self._pack(call)
        handle = self._handle(out)
        if (buffer := open_buffer(self)) is not None:
            if buffer.add((out,)):
                buffer.flush()
            return handle
        channel = out.route.channel
        sender = self._senders.get(channel) or self._first_sender(channel)
        push(sender, command_of(sender.driver, (out,)), (handle,), repeatable=out.route.once)
        if IN_USE and isinstance(out, Watched):
            run_pushed(self._owner, [(out.push, handle)])
        return handle

    async def asend(self, call: Call[T]) -> Handle[T]:
        """Push a call from async code; keep it while a buffer is open."""
        if IN_USE or open_buffer(self) is not None:
            (handle,) = await self.asend_many((call,))
            return handle
        out = self._pack(call)
        handle = self._handle(out)
        channel = out.route.channel
        sender = self._senders.get(channel)
        if sender is None:
            await self.find_server()
            sender = self.sender(channel)
        await apush(sender, command_of(sender.driver, (out,)), (handle,), repeatable=out.route.once)
        return handle

    def send_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]:
        """Push calls, one round trip per batch; keep them while a buffer is open. All are packed before the first is sent."""
        outs = self._pack_all(calls)
        buffer = open_buffer(self)
        if buffer is None:
            self.store(outs)
        elif buffer.add(outs):
            buffer.flush()
        return [self._handle(out) for out in outs]

    async def asend_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]:
        """Push calls from async code; see `send_many`."""
        outs = [await self._apack(call) for call in calls] if IN_USE else self._pack_all(calls)
        buffer = open_buffer(self)
        if buffer is None:
            await self.astore(outs)
        elif buffer.add(outs):
            await buffer.aflush()
        return [self._handle(out) for out in outs]

    async def _apack(self, call: Call[Any]) -> Outgoing:
        push = await arun_pushing(self._owner, call)
        return self._pack(call, push)

    def _pack(self, call: Call[Any], push: Push | None = None) -> Outgoing:
        if call.job.queue is not self._owner:
            raise ArgumentsError(f"{call.job.name} is a job of another Queue: push it by its own push(...)")
        if not IN_USE:
            return self.packer.pack(call)
        push = push or run_pushing(self._owner, call)
        headers = check_headers(push.headers, PushError) if push else headers_here(self._owner, call.options.headers)
        out = self.packer.pack(call, headers)
        return Watched(**msgspec.structs.asdict(out), push=push) if push and has_pushed(self._owner) else out

    def _pack_all(self, calls: Iterable[Call[Any]]) -> list[Outgoing]:
        # While a command imports the app, each push is counted.
        if not isinstance(calls, ManyCalls) or calls.job.queue is not self._owner or running_import() is not None:
            return [self._pack(call) for call in calls]
        return pack_many(calls, self.packer, self._pack)

    def store(self, outs: Sequence[Outgoing]) -> None:
        """Send packed messages now, one round trip per batch."""
        if IN_USE and any(isinstance(out, Watched) for out in outs):
            check_sync_pushed(self._owner)
        warn_in_loop()
        stored: list[Outgoing] = []
        for route, group in grouped(outs):
            sender = self.sender(route.channel)
            try:
                push(sender, command_of(sender.driver, group), map(self._handle, group), repeatable=route.once)
            except TaskqError as error:
                error.stored = tuple(map(self._handle, stored))
                raise
            stored += group
            if IN_USE:
                run_pushed(self._owner, self._watched(group))

    async def astore(self, outs: Sequence[Outgoing]) -> None:
        """Send packed messages now, from async code; see `store`."""
        stored: list[Outgoing] = []
        await self.find_server()
        for route, group in grouped(outs):
            sender = self.sender(route.channel)
            try:
                await apush(sender, command_of(sender.driver, group), map(self._handle, group), repeatable=route.once)
            except TaskqError as error:
                error.stored = tuple(map(self._handle, stored))
                raise
            stored += group
            if IN_USE:
                await arun_pushed(self._owner, self._watched(group))

    def withdraw(self, channel: str, payload: bytes) -> bool:
        """Remove a message that is still in a buffer, delayed or waiting. Return False if it is not."""
        if self.take_back(Message(payload).hex_id):
            return True
        sender = self.sender(channel)
        return run(remove.withdraw(sender.driver, payload), sender.call)

    def take_back(self, message_id: str) -> bool:
        """Remove a message that is still in a buffer of this thread or task. Return False if it is not."""
        return withdraw(self, bytes.fromhex(message_id))

    def check_sent(self, message_id: str) -> None:
        """Check that a message is not in a buffer any longer.

        Raises:
            RuntimeError: the message has not been sent.
        """
        if is_buffered(self, bytes.fromhex(message_id)):
            raise RuntimeError(f"message {message_id} is still in a buffer: leave the block or flush() the buffer first")

    # ---- queries

    def handle(self, message_id: str, channel: str) -> Handle[Any]:
        """Recreate the handle of a message; raises the errors of `Queue.handle`."""
        if not isinstance(channel, str):
            raise ArgumentsError(f"channel must be a string; got {channel!r}")
        self._owner.channel(channel)
        return Handle(self, channel, check_message_id(message_id))

    def subject(self, channel: str, message_id: str, payload: bytes | None, stores_result: bool | None) -> Subject:
        """Return the subject of a query: the message, and the signer that verifies its result."""
        prefix = self._owner.channel(channel).channel
        if prefix not in self._result_signers:
            self._result_signers[prefix] = result_signer(self._settings, prefix)
        signer = self._result_signers[prefix]
        pickles = signer is not None or self._settings.serializer == "pickle" or self._owner.has_pickle_jobs()
        if payload is None:
            return Subject(message_id, channel, signer, None, stores_result, pickles)
        return Subject(message_id, channel, signer, payload, stores_result, pickles, restorer(self._owner.jobs, self.packer, payload))

    def ask(self, channel: str, question: Callable[[Driver], Steps[T]]) -> T:
        """Run a query of several commands, for the methods of a handle."""
        warn_in_loop()
        sender = self.sender(channel)
        return run(question(sender.driver), sender.call)

    async def aask(self, channel: str, question: Callable[[Driver], Steps[T]]) -> T:
        """Run a query of several commands, from async code; see `ask`."""
        await self.find_server()
        sender = self.sender(channel)
        return await arun(question(sender.driver), sender.acall)

    async def find_server(self) -> None:
        """Resolve the server's URL without blocking the event loop: the embedded server may have to be started."""
        if self._url is None and self._settings.url is None:
            import asyncio  # not needed by an application that only pushes from sync code

            with first_use():
                await asyncio.to_thread(self.url)

    # ---- connections

    def url(self) -> str:
        """Return the server's URL. Starts the embedded server if no URL is set and the extra `embedded` is installed."""
        if self._url is None:
            self._url = server_url(self._settings)
        return self._url

    def sender(self, channel: str) -> LinkPool:
        """Return the pool of connections that sends commands to a channel's server."""
        if (sender := self._senders.get(channel)) is None:
            with first_use():
                sender = self._senders[channel] = make_pool(self._settings, self.url(), self._owner.channel(channel))
        return sender

    def _first_sender(self, channel: str) -> LinkPool:
        warn_in_loop()  # only here: at each push, it would cost time
        return self.sender(channel)

    def lend(self, channel: str, link: Link) -> None:
        """Let this thread push to a channel over an existing connection: a job uses the connection of its worker."""
        self.sender(channel).lend(link)

    def check_work(self) -> None:
        """Check that a worker of this process would get the messages: those of a recording (`taskq.testing`) never reach its server."""

    def is_used(self) -> bool:
        """Return True if a connection to the server was opened, for a push or a query."""
        return bool(self._senders)

    def close(self) -> None:
        """Close the idle connections."""
        for sender in list(self._senders.values()):
            sender.close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        for sender in list(self._senders.values()):
            await sender.aclose()

    def _handle(self, out: Outgoing) -> Handle[Any]:
        return Handle(self, out.route.channel, out.payload[2:18].hex(), out.payload, out.stores_result, out.is_stream)

    def _watched(self, group: Sequence[Outgoing]) -> list[tuple[Push, Handle[Any]]]:
        return [(out.push, self._handle(out)) for out in group if isinstance(out, Watched)]
