"""The duty that carries out what others have cancelled: tells the worker that runs it, and takes back what isn't started."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple, cast

import msgspec

from taskq.channel import State
from taskq.driver.contract import Command
from taskq.driver.find import PAGE, Found, find
from taskq.handle.cancel import CancelRequest
from taskq.scoreboard.state import Running
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.processes.child import Child
from taskq.supervisor.rules import beat_seconds
from taskq.wire.message import message_id

__all__ = ["CANCEL_GRACE", "Cancels"]

_log = logging.getLogger("taskq.supervisor")
#: How long a job gets to end by itself before its process is killed, when that was asked for.
CANCEL_GRACE = 3.0
#: How often to look at orders that are under way, and at those whose message is on its way from one state to another.
_SOON, _MOVING = 0.05, 0.2
#: Orders that nobody has met for so long are of messages that have ended otherwise.
_OLD_MS = 3_600_000


class _Notified(NamedTuple):
    """Which run of a message was told, and when. It may run again, when its worker dies; then that run must be told."""

    worker: str
    started: float
    at: float


class Cancels:
    """Reads the orders with every heartbeat, and at once when it is called."""

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self._channel = channel
        #: Orders that children were told of.
        self._notified: dict[bytes, _Notified] = {}
        #: Those of them whose message was nowhere: one that moves on during a search is missed.
        self._missed: set[bytes] = set()

    def wake(self) -> None:
        """Read the requests at once: a job of this supervisor was cancelled."""
        self.due = 0.0

    def tick(self, now: float) -> None:
        self.due = now + beat_seconds(self._channel.settings.lease)
        reply = self._channel.ask(self._channel.driver.orders()) or ()
        orders = dict(zip(reply[::2], reply[1::2], strict=True))
        for identity in self._notified.keys() - orders.keys():
            del self._notified[identity]
        self._missed &= self._notified.keys()
        for identity, raw in orders.items():
            try:
                order = msgspec.msgpack.decode(raw, type=CancelRequest)
            except msgspec.MsgspecError:
                self._forget(identity)
                continue
            self._meet(identity, order, now)

    def _meet(self, identity: bytes, order: CancelRequest, now: float) -> None:
        for child in self._channel.children.values():
            for one in child.slot.running():
                if one.id == identity:
                    self._notify(child, one, order, now)
                    return
            if identity in child.slot.ids() and self._take_back(child, identity, order):
                return
        if identity in self._notified:
            if self._is_met(identity, order, now):
                self._forget(identity)
        # It isn't here: another supervisor may have it, or soon will.
        elif self._take_away(identity, order) or order.at_ms < self._server_ms() - _OLD_MS:
            self._forget(identity)

    def _notify(self, child: Child, running: Running, order: CancelRequest, now: float) -> None:
        """Tell a child that its job is cancelled; kill it when that was asked for, and the job goes on."""
        self.due = now + _SOON
        identity = running.id
        self._missed.discard(identity)
        names = self._notified.get(identity)
        if names is None or (names.worker, names.started) != (child.worker, running.started):
            if child.slot.notice.put(identity, order.by):  # else it hasn't taken in the one before yet
                self._notified[identity] = _Notified(child.worker, running.started, now)
                child.interrupt()
            return
        if not order.kill:
            self.due = now + 1.0
        elif now > names.at + CANCEL_GRACE:
            is_first = child.killed_for is None
            child.cancelled[identity] = order.kept
            child.kill("cancel")
            if is_first:
                _log.error("killing worker process %s: %s was cancelled by %s and is still running", child.worker, identity.hex(), order.by)

    def _is_met(self, identity: bytes, order: CancelRequest, now: float) -> bool:
        """Look where a message went whose worker was told. False: it isn't known yet that it never runs again."""
        steps = find(self._channel.driver, identity.hex())
        reply: Any = None
        try:
            while (reply := self._channel.ask(cast("Command", steps.send(reply)))) is not None:
                pass
            return False  # the server doesn't answer
        except StopIteration as end:
            found: Found | None = end.value
        self.due = min(self.due, now + _MOVING)
        if found is None:
            is_missed, self._missed = identity in self._missed, self._missed | {identity}
            return is_missed
        self._missed.discard(identity)
        if found.state is State.RESERVED:  # its worker has died, or hasn't settled it yet; or it runs again
            return False
        return found.state in (State.FAILED, State.TIMEOUT) or self._cancel(found.state, found.message, order)

    def _take_back(self, child: Child, identity: bytes, order: CancelRequest) -> bool:
        """Settle a message that was reserved with others and isn't started; the others are given back with it. False: it was started."""
        channel = self._channel
        with child.slot.taken_back() as ids:
            others = [one for one in ids if one != identity]
            if others and channel.ask(channel.driver.requeue(child.worker, "front", others)) != len(others):
                child.slot.ask_reconcile()
            if identity not in ids:
                return False
            channel.insist(channel.driver.finish(child.worker, identity, order.kept))
        self._forget(identity)
        _log.info("message %s was cancelled by %s before it was started", identity.hex(), order.by)
        return True

    def _take_away(self, identity: bytes, order: CancelRequest) -> bool:
        """Cancel a message that went back to where nobody runs it, while it was ordered: its run failed, or its worker died."""
        channel = self._channel
        for state in (State.DELAYED, State.WAITING, State.PARKED):
            reply = channel.ask(channel.driver.find(state, identity.hex(), 0, PAGE))
            if reply and len(reply) > 1 and self._cancel(state, reply[1], order):
                return True
        return False

    def _cancel(self, state: State, message: bytes, order: CancelRequest) -> bool:
        if not self._channel.ask(self._channel.driver.cancel(state, message, order.kept)):
            return False
        _log.info("message %s was cancelled by %s before it ran again", message_id(message).hex(), order.by)
        return True

    def _forget(self, identity: bytes) -> None:
        self._notified.pop(identity, None)
        self._missed.discard(identity)
        self._channel.ask(self._channel.driver.forget_order(identity))

    def _server_ms(self) -> float:
        reply = self._channel.ask(self._channel.driver.time())
        return int(reply[0]) * 1000.0 if reply else 0.0
