"""One push, as push hooks see it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from taskq.handle.handle import Handle
from taskq.jobs.call import Call
from taskq.jobs.options import PushOptions

__all__ = ["Push"]


class Push:
    """One push, as push hooks see it. A `pushing` hook may change `headers`; everything else is read-only.

    Attributes:
        call: the bound call.
        channel: the channel that it is pushed to.
        headers: the headers of the message, a dict of strings to strings.
    """

    __slots__ = ("_handle", "call", "channel", "headers")

    def __init__(self, call: Call[Any], channel: str, headers: dict[str, str]) -> None:
        self.call = call
        self.channel = channel
        self.headers = headers
        self._handle: Handle[Any] | None = None

    @property
    def job(self) -> str:
        """The name of the job; for an object or a callable, the name that operators see."""
        return self.call.label or self.call.job.name

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments."""
        return self.call.args

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The keyword arguments."""
        return MappingProxyType(self.call.kwargs)

    @property
    def options(self) -> PushOptions:
        """The options of the push, such as `delay`, `at` and `once`."""
        return self.call.options

    @property
    def handle(self) -> Handle[Any]:
        """The handle of the message, in a `pushed` hook.

        Raises:
            RuntimeError: the message isn't stored yet.
        """
        if self._handle is None:
            raise RuntimeError("a message has no handle before it is stored: use it in a @queue.pushed hook")
        return self._handle

    def __repr__(self) -> str:
        return f"<Push {self.job} to {self.channel}>"
