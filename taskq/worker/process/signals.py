"""Waits for the server and for signals at once: an idle worker process blocks in the server, and still stops at once on SIGTERM."""

from __future__ import annotations

import contextlib
import os
import signal

# signal.getsignal turns its result into enum members, which takes longer than a short job; this is called after every job.
from _signal import getsignal as _getsignal  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable
from types import FrameType

from taskq.clock import monotonic
from taskq.polling import wait_for
from taskq.scoreboard.pipe import drain, wake_pipe

__all__ = ["SIGTERM", "SignalWait"]

SIGTERM, _SIGINT, _SIGUSR2 = int(signal.SIGTERM), int(signal.SIGINT), int(signal.SIGUSR2)


class SignalWait:
    """Notes the signals that stop a worker process, and lets it wait for a reply or a signal.

    A wait ends with the byte that Python writes into the wake-up pipe. If a job has taken the pipe, the handler writes it.
    """

    def __init__(self, others: Iterable[int] = ()) -> None:
        """`others` are further descriptors that the process needs."""
        #: True if the process must begin no other job: SIGTERM has arrived, or the process must be replaced.
        self.stopping = False
        self._others = tuple(others)
        #: Handler of SIGUSR2, the supervisor's cancel signal (main thread).
        self.on_cancel: Callable[[int, FrameType | None], None] = self._ignore
        # Stored, because each access to a method creates another object, and `check` compares them.
        self._on_term, self._on_int, self._on_usr2 = self._note, self._ignore, self._on_cancel_signal
        self._read, self._write = wake_pipe()
        self._is_open = True
        self.install()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # blocked since the fork
        # Processes that a job forks (multiprocessing, pools) must end at SIGTERM as usual, instead of noting it. The signal is blocked
        # during the fork: otherwise the old handler would swallow one that arrives before it is reset.
        os.register_at_fork(before=self._block_term, after_in_parent=self._unblock_term, after_in_child=self._reset_in_child)

    def _block_term(self) -> None:
        if self._is_open:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def _unblock_term(self) -> None:
        if self._is_open:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def _reset_in_child(self) -> None:
        if not self._is_open:
            return
        signal.set_wakeup_fd(-1)
        for number in (SIGTERM, _SIGINT, _SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        self._unblock_term()

    def install(self) -> None:
        """Set the handlers and the wake-up pipe."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        # Ctrl-C is for the supervisor to decide on. A handler, not SIG_IGN: the subprocesses of jobs would inherit that.
        signal.signal(SIGTERM, self._on_term)
        signal.signal(_SIGINT, self._on_int)
        signal.signal(_SIGUSR2, self._on_usr2)

    def check(self) -> None:
        """Set the handlers again if a job has set its own."""
        if _getsignal(SIGTERM) is self._on_term and _getsignal(_SIGINT) is self._on_int and _getsignal(_SIGUSR2) is self._on_usr2:
            return
        self.install()

    def descriptors(self) -> list[int]:
        """Return the descriptors that must stay open: the wake-up pipe, and the others that the process needs."""
        return [self._read, self._write, *self._others]

    def wait(self, fileno: int | None, timeout: float) -> bool:
        """Wait until the descriptor is readable (True), the process is asked to stop, or the timeout (False)."""
        watched = self._watched(fileno)
        deadline = monotonic() + timeout
        while not self.stopping:
            ready = wait_for(watched, deadline - monotonic())
            if self._read in ready:  # a signal, which need not be one that stops
                drain(self._read)
            if fileno in ready:
                return True
            if not ready:
                break
        return False

    def pause(self, seconds: float) -> None:
        """Sleep; SIGTERM ends the sleep."""
        self.wait(None, seconds)

    def close(self) -> None:
        self._is_open = False  # hooks of a fork can't be removed
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)

    def _watched(self, fileno: int | None) -> list[int]:
        return [self._read] if fileno is None else [self._read, fileno]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        self._wake_for(number)

    def _on_cancel_signal(self, number: int, frame: FrameType | None) -> None:
        self.on_cancel(number, frame)
        self._wake_for(number)

    def _wake_for(self, number: int) -> None:
        """Write the byte that Python should have written: a job may have given the wake-up pipe to its event loop (add_signal_handler)."""
        if self._is_open:
            with contextlib.suppress(OSError):  # the pipe is full: the wait ends anyway; or a job has closed it, which ends the process
                os.write(self._write, bytes([number]))

    def _ignore(self, number: int, frame: FrameType | None) -> None:
        pass
