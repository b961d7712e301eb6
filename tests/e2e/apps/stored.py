"""Jobs of the messages in version1.json: bytes that the first release of the wire format stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue()
#: Made once with the first version of taskq that writes version 1, and never changed: name, state and bytes of each message.
STORED: list[dict[str, str]] = json.loads(Path(__file__).with_suffix("").with_name("version1.json").read_text(encoding="utf-8"))


class Report:
    """An object with handle(), as pickled then."""

    month: str

    def handle(self) -> None:
        _note(self.month)


def _note(case: str, extra: Any = None) -> None:
    note(case, [taskq.current().job, taskq.current().attempt, repr(extra)])


@queue.job(name="shop:renamed", aliases=["shop:note"])
def renamed(case: str, extra: dict[str, tuple[int, int]] | None = None) -> None:
    _note(case, extra)


@queue.job(name="shop:data", serializer="json")
def data(case: str, extra: list[Any] | None = None) -> None:
    _note(case, extra)


@queue.job(name="shop:packed", serializer="msgpack")
def packed(case: str, extra: bytes = b"") -> None:
    _note(case, extra)
