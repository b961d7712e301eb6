"""A server without a server: each test defines the replies to commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.driver.contract import Command

__all__ = ["Answering"]


class Answering:
    """Replies to each command as the test defines; raises an exception."""

    def __init__(self, answer: Callable[[Command], Any]) -> None:
        self._answer = answer
        self.asked: list[Command] = []

    def call(self, command: Command) -> Any:
        self.asked.append(command)
        reply = self._answer(command)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def acall(self, command: Command) -> Any:
        return self.call(command)
