"""ChannelState: a channel's children, connection and pending commands."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from taskq.clock import monotonic
from taskq.config import ChannelSettings
from taskq.driver.backoff import Backoff
from taskq.driver.contract import Command, Link, Rescue
from taskq.driver.load import load_driver
from taskq.errors import QueueFull, ServerError, ServerRefused, ServerUnavailable
from taskq.logs import count_of
from taskq.scoreboard.slot import Slot
from taskq.scoreboard.state import block_seconds
from taskq.supervisor.processes.child import Child
from taskq.wire.signing import Signer

__all__ = ["ChannelState"]

_log = logging.getLogger("taskq.supervisor")
#: The longest waits for a reply and between two attempts: together they must leave time for a heartbeat in a lease.
_TIMEOUT, _LONGEST_PAUSE = 5.0, 5.0
#: The longest wait for a reply during an outage: signals and the other channels must not wait for it.
_TIMEOUT_WHILE_DOWN = 0.5
#: Seconds without a failure after which the reply to any command ends an outage: the one that failed may never be sent again. While the
#: server is unreachable or rejects writes, heartbeats fail sooner. A service whose command is rejected repeats it after 10 s at most.
_CALM, _CALM_AFTER_REFUSAL = 1.0, 12.0
#: A call that fails sooner than this, in seconds, failed at a broken connection, not at an unresponsive server.
_AT_ONCE = 0.1


class ChannelState:
    """The children of one channel, its connection, and the commands to send once the server is reachable."""

    def __init__(
        self,
        settings: ChannelSettings,
        url: str,
        processes: int,
        revive: Callable[[], object] | None = None,
        signer: Signer | None = None,
    ) -> None:
        self.settings = settings
        #: Signs records and reports, and verifies cancel requests.
        self.signer = signer
        self._url = url
        self._revive = revive
        self.wanted = processes
        #: By worker id.
        self.children: dict[str, Child] = {}
        self.crashes: list[float] = []
        self.spawn_after = 0.0
        #: Number of children in a row whose on_start or lifespan raised.
        self.failed_starts = 0
        self.driver = load_driver(url, settings)
        self._timeout = min(_TIMEOUT, settings.lease / 3)
        self._failed_move = ""
        self.link: Link = self.driver.link(self._timeout, fenced=True)
        #: Commands about exited workers, in their order, to send once the server accepts them. Each is safe to repeat.
        self.pending: dict[str, deque[Command]] = {}
        #: Workers for which the server rejects such a command.
        self._refused: set[str] = set()
        #: Exited workers, and when to check again whether anything is reserved for them.
        self.exited: list[tuple[float, str]] = []
        #: Slots of children whose messages a command with an unknown outcome moves.
        self._uncertain: list[Slot] = []
        #: Finished and permanently failed jobs of exited children.
        self.past_counts = [0, 0]
        self._down_since: float | None = None
        #: When to send the next command, and from when on the reply to any command ends an outage.
        self._ask_after = self._calm_at = 0.0
        self._backoff = Backoff(0.05, min(_LONGEST_PAUSE, settings.lease / 8))

    @property
    def name(self) -> str:
        return self.settings.name

    def change(self, settings: ChannelSettings, signer: Signer | None) -> None:
        """Use changed settings, but not those of the connection. New processes get them, and old ones keep theirs."""
        self.settings = settings
        self.signer = signer
        self.driver = load_driver(self._url, settings)
        self.spawn_after = 0.0

    @property
    def is_down(self) -> bool:
        """True while the server is unreachable or rejects commands."""
        return self._down_since is not None

    @property
    def may_share(self) -> bool:
        """True if another channel may send commands for this one. Not during an outage, nor before a command that must come first."""
        return not self.is_down and not self.pending and not self._uncertain

    def ask(self, command: Command, on_refusal: Callable[[ServerRefused], None] | None = None, *, once: bool = False) -> Any:
        """Send a command. Return None if the server is unreachable (or must not be called yet); the log reports that once.

        With `on_refusal`, an error reply is passed to it and doesn't begin an outage. `once`: see `move`.
        """
        now = monotonic()
        if now < self._ask_after:
            return None
        try:
            reply = self._call(command, once=once)
        except (QueueFull, ServerError) as error:
            if on_refusal is not None and isinstance(error, ServerRefused):
                on_refusal(error)
                return None
            # Read the clock again: a hanging server takes the whole timeout, and the pause begins after it.
            self._trouble(monotonic(), command.move, error)
            return None
        if self._down_since is not None and (command.move == self._failed_move or now >= self._calm_at):
            _log.warning("channel %s: the server is reachable again after %.1f s", self.name, monotonic() - self._down_since)
            self._down_since = None
            self._backoff.answered()
            self._set_timeout(self._timeout)
        for slot in self._uncertain:  # the fenced link has sent this command, so no earlier one is in transit
            slot.set_uncertain(False)
        self._uncertain.clear()
        return reply

    def move(self, child: Child, command: Command) -> Any:
        """Send a command that moves messages of a living child, as `ask`.

        If the outcome is unknown, the command may still be in transit. Until it can't arrive any more, the child takes over no message
        from its reserved list: the command would move one that runs. Call this before the child can look at the list.

        It is sent once: after it was executed, the child may have reserved the same messages again.
        """
        reply = self.ask(command, once=True)
        if reply is None:
            child.slot.set_uncertain(True)
            child.slot.ask_reconcile()
            self._uncertain.append(child.slot)
        return reply

    def _call(self, command: Command, *, once: bool) -> Any:
        """Send a command; send it again if its connection turns out to be broken, which is not an outage yet.

        With `once`, it isn't sent again if it may have been executed.
        """
        began = monotonic()
        try:
            return self.link.call(command)
        except ServerUnavailable as error:
            if self.is_down or monotonic() - began > _AT_ONCE or (once and error.sent):
                raise
        return self.link.call(command)

    def insist(self, worker: str, command: Command) -> None:
        """Send a command about an exited worker now, or once the server accepts it. The order of the commands of a worker is kept."""
        self.pending.setdefault(worker, deque()).append(command)
        self.send_pending()

    def send_pending(self) -> None:
        """Try to send the pending commands. One that the server rejects holds up only those of its worker."""
        for worker, commands in list(self.pending.items()):
            while commands:
                reply = self.ask(commands[0], partial(self._note_refusal, worker))
                if reply is not None:
                    self._refused.discard(worker)
                    if commands.popleft().move == "rescue":
                        self.note_rescue(worker, reply)
                elif worker in self._refused:
                    break
                else:
                    return
            if not commands:
                del self.pending[worker]

    def _note_refusal(self, worker: str, error: ServerRefused) -> None:
        if worker not in self._refused:
            self._refused.add(worker)
            _log.error("worker process %s: %s; retrying", worker, error)

    def note_rescue(self, worker: str, reply: list[int]) -> int:
        """Count and log the messages that a rescue moved to `timeout` or `failed`. Return how many were rescued, -1 for none."""
        rescued, to_timeout, to_failed = reply
        self.past_counts[1] += to_timeout + to_failed
        if to_timeout:
            text = "channel %s: moved %s to timeout, because worker process %s was lost while it ran (on_lost)"
            _log.error(text, self.name, count_of(to_timeout, "message"), worker)
        if to_failed:
            text = "channel %s: moved %s to failed, because too many processes crashed while they ran it (max_crashes); the last was %s"
            _log.error(text, self.name, count_of(to_failed, "message"), worker)
        return rescued

    def remember(self, worker: str) -> None:
        """Check the reserved list of an exited worker again: soon, and once its last blocking command must have ended."""
        now, lease = monotonic(), self.settings.lease
        # Until then it stays registered, without heartbeats: other supervisors must not take it for a lost one.
        last = block_seconds(lease) + min(1.0, lease / 4)
        self.exited += [(now + min(0.5, lease / 4), worker), (now + last, worker)]

    def send_last(self) -> None:
        """Send the pending commands and the last rescues, with one attempt."""
        for worker in {worker for _, worker in self.exited}:
            self.pending.setdefault(worker, deque()).append(self.driver.rescue(Rescue(worker)))
        self._ask_after = 0.0
        self.send_pending()

    def counts(self) -> tuple[int, int]:
        """Return the numbers of finished and of permanently failed jobs since the start."""
        done, failed = self.past_counts
        for child in self.children.values():
            more_done, more_failed = child.slot.counts
            done, failed = done + more_done, failed + more_failed
        return done, failed

    def note_crash(self, now: float) -> None:
        """Note the crash of a child."""
        self.crashes = [at for at in self.crashes if now - at < 60.0] + [now]

    def _set_timeout(self, seconds: float) -> None:
        self.link.close()
        self.link.timeout = seconds

    def _trouble(self, now: float, move: str, error: Exception) -> None:
        # A successful read proves nothing if the server rejects writes: the outage ends with the command that failed last.
        self._failed_move = move
        if self._down_since is None:
            self._set_timeout(min(_TIMEOUT_WHILE_DOWN, self._timeout))
            self._down_since = now
            _log.error("channel %s: %s; retrying", self.name, error)
        if self._revive is not None:
            with contextlib.suppress(ServerError):  # the next attempt reports it
                self._revive()
        self._ask_after = now + self._backoff.pause()
        self._calm_at = self._ask_after + (_CALM if isinstance(error, ServerUnavailable) else _CALM_AFTER_REFUSAL)
