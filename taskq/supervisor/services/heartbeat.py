"""The service that sends the heartbeats of the worker processes, each with its current activity."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from taskq.driver.contract import Value
from taskq.errors import ServerRefused
from taskq.scoreboard.memory import memory_of
from taskq.scoreboard.state import Phase
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.processes.child import Child
from taskq.supervisor.rules import beat_seconds
from taskq.supervisor.services.orphans import release_unseen
from taskq.wire.activity import signed_activity

__all__ = ["Heartbeat"]

_log = logging.getLogger("taskq.supervisor")
#: The heartbeats of more than a few children are sent together, up to this number with one command.
_FEW, _TOGETHER = 8, 50


class Heartbeat:
    """Sends the heartbeats of the children and their activity. Finds reserved messages whose reply was lost."""

    def __init__(self, channel: ChannelState, host: str) -> None:
        self.due = 0.0
        self._channel = channel
        self._host = host
        #: Workers whose last heartbeat was rejected because of their keys; the heartbeats of the others continue.
        self._refused: set[str] = set()

    def tick(self, now: float) -> None:
        self._channel.send_pending()
        children = list(self._channel.children.values())
        for start in range(0, len(children), _TOGETHER):
            if not self._send_all(children[start : start + _TOGETHER], now):
                break
        self.due = now + (0.2 if self._channel.is_down else beat_seconds(self._channel.settings.lease))

    def shared(self) -> list[tuple[Child, dict[str, Value]]] | None:
        """Return the heartbeats, for a command that several channels share; None if this channel has to send them itself."""
        children = self._channel.children.values()
        if len(children) > _FEW or not all(child.registered and child.worker not in self._refused for child in children):
            return None
        return [(child, self._fields(child)) for child in children]

    def arrived(self, replies: Sequence[tuple[Child, int, int]], now: float) -> None:
        """Read the replies to the heartbeats of a shared command: the standing of each child, and its number of messages."""
        for child, standing, held in replies:
            if standing == 1:
                self._on_arrival(child, held, now)
        # Otherwise the channel sends them again itself, when they are due.
        if all(standing == 1 for _, standing, _ in replies):
            self.due = now + beat_seconds(self._channel.settings.lease)

    def _send_all(self, children: list[Child], now: float) -> bool:
        """Send the heartbeats of some children, with one command where possible. Return False if the server is unreachable."""
        channel, sent = self._channel, set[str]()
        usual = [child for child in children if child.registered and child.worker not in self._refused]
        if len(usual) > _FEW:
            refused: list[ServerRefused] = []
            beats = [(child.worker, self._fields(child)) for child in usual]
            command = channel.driver.heartbeat_all(beats, lease_ms=int(channel.settings.lease * 1000))
            reply = channel.ask(command, refused.append)
            if reply is None and not refused:
                return False
            for child, standing, held in zip(usual, reply[::2], reply[1::2], strict=True) if reply else ():
                if standing == 1:
                    self._on_arrival(child, held, now)
                    sent.add(child.worker)
        return all(self.send(child, now) for child in children if child.worker not in sent)

    def send(self, child: Child, now: float) -> bool:
        """Send the heartbeat of one child. Return False if the server is unreachable."""
        channel = self._channel
        lease_ms = int(channel.settings.lease * 1000)
        fields = self._fields(child)
        command = channel.driver.heartbeat(child.worker, fields, lease_ms=lease_ms, register=not child.registered)
        reply = channel.ask(command, lambda error: self._note_refusal(child.worker, error))
        if reply is None:
            return child.worker in self._refused
        self._refused.discard(child.worker)
        registration, held = reply
        if registration != 1 and child.registered:
            self._on_unregistered(child, given_up=registration == -1)
            # A new lease of its messages begins; `fate` records whether they were reassigned.
            fields["fate"] = "given up" if registration == -1 else "lost"
            # A late one would set a fate that no longer applies.
            if channel.move(child, channel.driver.heartbeat(child.worker, fields, lease_ms=lease_ms, register=True)) is None:
                return False
            # Again: a child that reconciled before it was registered again has left its fate unread.
            child.slot.ask_reconcile()
        child.registered = True
        self._on_arrival(child, held, now)
        return True

    def _on_arrival(self, child: Child, held: int, now: float) -> None:
        """Note that a heartbeat has arrived at the server, which has `held` messages reserved for the child."""
        child.slot.set_beat(now)
        # A child may briefly hold more than it reported; only a persistent difference means a lost reply.
        child.mismatches = child.mismatches + 1 if held > child.slot.held else 0
        if child.mismatches >= 2:
            child.slot.ask_reconcile()
            release_unseen(self._channel, child, child.last_beat)
        child.last_beat = now

    def _note_refusal(self, worker: str, error: ServerRefused) -> None:
        if worker not in self._refused:
            self._refused.add(worker)
            _log.error("worker process %s: %s; retrying with every heartbeat", worker, error)

    @staticmethod
    def _on_unregistered(child: Child, *, given_up: bool) -> None:
        """Log why a worker process lost its registration, and make it reconcile."""
        if given_up:
            _log.warning(
                "worker process %s had been declared lost; its messages were reassigned. Continuing with new messages", child.worker
            )
            # Other workers run its unstarted messages; only the running job can't be prevented from running twice.
            child.slot.stop_batch()
        else:
            _log.error(
                "worker process %s lost its registration (server flushed or restarted without data): registering again", child.worker
            )
        child.slot.ask_reconcile()

    def _fields(self, child: Child) -> dict[str, Value]:
        running = child.slot.running()
        first = running[0] if running else None
        done, failed = child.slot.counts
        fields: dict[str, Value] = {
            "host": self._host,
            "pid": child.pid or 0,
            "supervisor": os.getpid(),
            "channel": self._channel.name,
            "state": "running" if running else _state(child.slot.phase),
            "job": first.job if first else "",
            "message": first.id.hex() if first else "",
            "since_ms": first.since_ms if first else 0,
            "running": len(running),
            "concurrency": self._channel.settings.concurrency,
            "started_ms": child.started_ms,
            "done": done,
            "failed": failed,
            "memory": memory_of(child.pid),
        }
        return fields if self._channel.signer is None else signed_activity(child.worker, fields, self._channel.signer)


def _state(phase: Phase) -> str:
    return (Phase.STOPPING if phase is Phase.LEAVING else phase).name.lower()
