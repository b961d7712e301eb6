"""The service that carries out cancel requests: interrupts running jobs, and removes unstarted messages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar, cast

from taskq.channel import State
from taskq.clock import now_ms
from taskq.driver import remove
from taskq.driver.batches import PAGE
from taskq.driver.contract import Command
from taskq.driver.find import AROUND, find
from taskq.driver.steps import Steps
from taskq.errors import MessageError, SignatureError
from taskq.handle.cancel import CancelRequest, read_request
from taskq.scoreboard.cancel_notice import Notice
from taskq.scoreboard.state import Running
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.processes.child import Child
from taskq.supervisor.rules import beat_seconds
from taskq.wire.message import message_id

__all__ = ["CANCEL_GRACE", "Cancels"]

T = TypeVar("T")
_log = logging.getLogger("taskq.supervisor")
#: Seconds that a job gets to finish before its process is killed, if the request asks for that.
CANCEL_GRACE = 3.0
#: How often to check requests in progress, and those whose message is moving between states.
_SOON, _MOVING = 0.05, 0.2
#: Cancel requests that this supervisor has known for longer than this, in seconds, are stale: their message has finished.
_OLD = 3600.0
#: How long the signature of a request is valid, in milliseconds: machines whose clocks differ by hours must be able to cancel.
_VALID_MS = 86_400_000
#: How many messages a tick searches for that no child has, and how many refused requests it removes. Each takes round trips.
_SEARCHES = 20


class _Notified(NamedTuple):
    """A run that was interrupted, and when. If its worker crashes, the message may run again; then that run is interrupted, too."""

    worker: str
    started: float
    at: float


class Cancels:
    """Reads the cancel requests with every heartbeat, and at once after a wake-up."""

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self._channel = channel
        #: Requests that were passed to a child.
        self._notified: dict[bytes, _Notified] = {}
        #: The ones whose message was not found: a search can miss a message that moves.
        self._missed: set[bytes] = set()
        #: When this supervisor first read each request.
        self._since: dict[bytes, float] = {}
        #: Requests whose message this round of searches has looked for.
        self._searched: set[bytes] = set()

    def wake(self) -> None:
        """Read the requests at once: a job of this supervisor was cancelled."""
        self.due = 0.0

    def expect_none(self, now: float) -> None:
        """Note that no request is stored, by the server's answer."""
        if not self._since:  # otherwise a tick has to forget the known ones
            self.due = now + beat_seconds(self._channel.settings.lease)

    def tick(self, now: float) -> None:
        self.due = now + beat_seconds(self._channel.settings.lease)
        reply = self._channel.ask(self._channel.driver.cancel_requests())
        if reply is None:
            return
        requests = dict(zip(reply[::2], reply[1::2], strict=True))
        for identity in self._since.keys() - requests.keys():
            del self._since[identity]
            self._notified.pop(identity, None)
        self._missed &= self._notified.keys()
        elsewhere: list[tuple[bytes, CancelRequest]] = []
        refused: list[tuple[bytes, MessageError]] = []
        for identity, raw in requests.items():
            try:
                request = read_request(raw, identity, self._channel.signer)
                self._check_age(identity, request)
            except MessageError as error:
                refused.append((identity, error))
                continue
            self._since.setdefault(identity, now)
            if not self._carry_out(identity, request, now):
                elsewhere.append((identity, request))
        self._search(elsewhere, now)
        if refused:
            self._refuse(refused, now)

    def _refuse(self, refused: Sequence[tuple[bytes, MessageError]], now: float) -> None:
        """Remove requests that can't be read or verified. Anyone who can write to the server can store many: each tick removes some."""
        identity, error = refused[0]
        more = f" and {len(refused) - 1} others" if len(refused) > 1 else ""
        _log.warning("channel %s: ignored a cancel request for message %s%s: %s", self._channel.name, identity.hex(), more, error)
        for identity, _ in refused[:_SEARCHES]:
            self._forget(identity)
        if len(refused) > _SEARCHES:
            self.due = min(self.due, now + 1.0)

    def _check_age(self, identity: bytes, request: CancelRequest) -> None:
        """Refuse a signed request that arrives late: it is the copy of an earlier one."""
        if self._channel.signer is not None and identity not in self._since and request.at_ms < now_ms() - _VALID_MS:
            raise SignatureError("it was signed more than a day ago, by the clock of the machine that sent it")

    def _carry_out(self, identity: bytes, request: CancelRequest, now: float) -> bool:
        """Cancel a message of a child. Return False if no child has it."""
        for child in self._channel.children.values():
            for one in child.slot.running():
                if one.id == identity:
                    self._notify(child, one, request, now)
                    return True
            if identity in child.slot.ids() and self._release(child, identity, request):
                return True
        if identity not in self._notified:
            return False
        if self._is_done(identity, request, now):
            self._forget(identity)
        return True

    def _search(self, requests: Sequence[tuple[bytes, CancelRequest]], now: float) -> None:
        """Cancel messages that no child has: another supervisor may have one, or will soon. Each tick searches for some of them."""
        left = [one for one in requests if one[0] not in self._searched]
        for identity, request in left[:_SEARCHES]:
            self._searched.add(identity)
            if self._remove(identity, request) or now >= self._since[identity] + _OLD:
                self._forget(identity)
        if len(left) > _SEARCHES:
            self.due = min(self.due, now + _SOON)
        else:
            self._searched.clear()

    def _notify(self, child: Child, running: Running, request: CancelRequest, now: float) -> None:
        """Interrupt the job of a child; kill the child if requested and the job is still running."""
        self.due = now + _SOON
        identity = running.id
        self._missed.discard(identity)
        notified = self._notified.get(identity)
        if notified is None or (notified.worker, notified.started) != (child.worker, running.started):
            if self._is_free(child):
                child.slot.notice.put(Notice(identity, running.started, request.by))
                self._notified[identity] = _Notified(child.worker, running.started, now)
                child.interrupt()
            return
        if not request.kill:
            self.due = now + 1.0
        # The run may be over while its listeners or on_fail are called.
        elif now > notified.at + CANCEL_GRACE and self._is_reserved(child, identity):
            is_first = child.killed_for is None
            child.cancelled[identity, running.started] = request.kept
            child.kill("cancel")
            if is_first:
                _log.error(
                    "killing worker process %s: %s was cancelled by %s and is still running", child.worker, identity.hex(), request.by
                )

    @staticmethod
    def _is_free(child: Child) -> bool:
        """Return True if the child may get another notice: it has read the previous one, or that run is over."""
        unread = child.slot.notice.unread
        return unread is None or all((one.id, one.started) != (unread.id, unread.started) for one in child.slot.running())

    def _is_reserved(self, child: Child, identity: bytes) -> bool:
        reply = self._channel.ask(self._channel.driver.find(child.worker, identity.hex(), 0, PAGE))
        return bool(reply) and len(reply) > 1

    def _is_done(self, identity: bytes, request: CancelRequest, now: float) -> bool:
        """Locate a message whose worker was notified. Return False while it might still run again."""
        is_known, found = self._run(find(self._channel.driver, identity.hex()))
        if not is_known:
            return False
        self.due = min(self.due, now + _MOVING)
        if found is None:
            is_missed, self._missed = identity in self._missed, self._missed | {identity}
            return is_missed
        self._missed.discard(identity)
        if found.state is State.RESERVED:  # its worker has crashed or not settled it yet, or it runs again
            return False
        return found.state in (State.FAILED, State.TIMEOUT) or self._cancel(found.state, found.message, request)

    def _release(self, child: Child, identity: bytes, request: CancelRequest) -> bool:
        """Settle an unstarted message of a batch, and release the others with it. Return False if it was started."""
        channel = self._channel
        with child.slot.taken_back() as ids:
            others = [one for one in ids if one != identity]
            if others and channel.move(child, channel.driver.requeue(child.worker, "front", others)) != len(others):
                child.slot.ask_reconcile()
            if identity not in ids:
                return False
            if channel.move(child, channel.driver.finish(child.worker, identity, request.kept)) is None:
                return True  # the request is carried out later, wherever the message is then
        self._forget(identity)
        _log.info("message %s was cancelled by %s before it was started", identity.hex(), request.by)
        return True

    def _remove(self, identity: bytes, request: CancelRequest) -> bool:
        """Cancel a message that is not reserved any longer: its run failed, or its worker crashed."""
        channel = self._channel
        for state in (State.DELAYED, State.WAITING, State.PARKED):
            start = AROUND if state is State.WAITING else 0
            reply = channel.ask(channel.driver.find(state, identity.hex(), start, PAGE))
            if reply and len(reply) > 1 and self._cancel(state, reply[1], request):
                return True
        return False

    def _cancel(self, state: State, message: bytes, request: CancelRequest) -> bool:
        _, is_removed = self._run(remove.cancel(self._channel.driver, state, message, request.kept))
        if not is_removed:
            return False
        _log.info("message %s was cancelled by %s before it ran again", message_id(message).hex(), request.by)
        return True

    def _run(self, steps: Steps[T]) -> tuple[bool, T | None]:
        """Send the commands of the steps. Return True and their result, or False if the server is unreachable."""
        reply: Any = None
        try:
            while (reply := self._channel.ask(cast("Command", steps.send(reply)))) is not None:
                pass
        except StopIteration as end:
            result: T = end.value
            return True, result
        return False, None

    def _forget(self, identity: bytes) -> None:
        self._notified.pop(identity, None)
        self._missed.discard(identity)
        self._channel.ask(self._channel.driver.forget_cancel_request(identity))
