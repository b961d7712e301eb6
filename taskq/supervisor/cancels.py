"""The duty that carries out what others have cancelled: tells the worker that runs it, and takes back what isn't started."""

from __future__ import annotations

import logging

import msgspec

from taskq.asking import PAGE
from taskq.cancelling import Order
from taskq.channel import State
from taskq.supervisor.child import Child
from taskq.supervisor.rules import beat_seconds
from taskq.supervisor.team import Team

__all__ = ["CANCEL_GRACE", "Cancels"]

_log = logging.getLogger("taskq.supervisor")
#: How long a job gets to end by itself before its process is killed, when that was asked for.
CANCEL_GRACE = 3.0
#: How often to look at orders that are under way.
_SOON = 0.05
#: Orders that nobody has met for so long are of messages that have ended otherwise.
_OLD_MS = 3_600_000


class Cancels:
    """Reads the orders with every heartbeat, and at once when it is called."""

    def __init__(self, team: Team) -> None:
        self.due = 0.0
        self._team = team
        #: Orders that children were told of, with the monotonic time of that.
        self._told: dict[bytes, float] = {}

    def call(self) -> None:
        """An order was given to this supervisor."""
        self.due = 0.0

    def tick(self, now: float) -> None:
        self.due = now + beat_seconds(self._team.settings.lease)
        reply = self._team.ask(self._team.driver.orders()) or ()
        orders = dict(zip(reply[::2], reply[1::2], strict=True))
        for identity in self._told.keys() - orders.keys():
            del self._told[identity]
        for identity, raw in orders.items():
            try:
                order = msgspec.msgpack.decode(raw, type=Order)
            except msgspec.MsgspecError:
                self._forget(identity)
                continue
            self._meet(identity, order, now)

    def _meet(self, identity: bytes, order: Order, now: float) -> None:
        for child in self._team.children.values():
            if any(one.id == identity for one in child.record.running()):
                self._tell(child, identity, order, now)
                return
            if identity in child.record.ids() and self._take_back(child, identity, order):
                return
        # It has ended, or isn't here; of one that wasn't told here another supervisor may have it, or soon will.
        if identity in self._told or self._take_away(identity, order) or order.at_ms < self._server_ms() - _OLD_MS:
            self._forget(identity)

    def _tell(self, child: Child, identity: bytes, order: Order, now: float) -> None:
        """Tell a child that its job is cancelled; kill it when that was asked for, and the job goes on."""
        self.due = now + _SOON
        if identity not in self._told:
            if child.record.notice.put(identity, order.by):  # else it hasn't taken in the one before yet
                self._told[identity] = now
                child.interrupt()
            return
        if not order.kill:
            self.due = now + 1.0
        elif now > self._told[identity] + CANCEL_GRACE:
            is_first = child.killed_for is None
            child.cancelled[identity] = order.kept
            child.kill("cancel")
            if is_first:
                _log.error("worker %s is killed: %s was cancelled by %s, and goes on", child.worker, identity.hex(), order.by)

    def _take_back(self, child: Child, identity: bytes, order: Order) -> bool:
        """Settle a message that was reserved with others and isn't started; the others are given back with it. False: it was started."""
        team = self._team
        with child.record.taken_back() as ids:
            others = [one for one in ids if one != identity]
            if others and team.ask(team.driver.requeue(child.worker, "front", others)) != len(others):
                child.record.ask_reconcile()
            if identity not in ids:
                return False
            team.insist(team.driver.finish(child.worker, identity, order.kept))
        self._forget(identity)
        _log.info("message %s was cancelled by %s before it was started", identity.hex(), order.by)
        return True

    def _take_away(self, identity: bytes, order: Order) -> bool:
        """Cancel a message that went back to where nobody runs it, while it was ordered: its run failed, or its worker died."""
        team = self._team
        for state in (State.DELAYED, State.WAITING):
            reply = team.ask(team.driver.find(state, identity.hex(), 0, PAGE))
            if reply and len(reply) > 1 and team.ask(team.driver.cancel(state, reply[1], order.kept)):
                _log.info("message %s was cancelled by %s before it ran again", identity.hex(), order.by)
                return True
        return False

    def _forget(self, identity: bytes) -> None:
        self._told.pop(identity, None)
        self._team.ask(self._team.driver.forget_order(identity))

    def _server_ms(self) -> float:
        reply = self._team.ask(self._team.driver.time())
        return int(reply[0]) * 1000.0 if reply else 0.0
