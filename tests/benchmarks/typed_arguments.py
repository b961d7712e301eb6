"""How long the check of arguments by their type hints takes, in microseconds of CPU time.

    python -m tests.benchmarks.typed_arguments

For each call: the check at the push, and that in the worker; then the whole packing of a message, with and without the check. Nothing is
sent. The best of five rounds, one after the other, so that a busy machine changes little.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from taskq import Queue

CALLS, ROUNDS = 50_000, 5
queue = Queue("redis://127.0.0.1:1", serializer="json", channels={"default": {}})


@dataclass
class Item:
    name: str
    price: Decimal


@dataclass
class Order:
    id: int
    items: list[Item]


def plain(number: int, text: str, ratio: float) -> None:
    """Take three plain arguments."""


def order(order: Order) -> None:
    """Take a dataclass with a list of others."""


def microseconds(call: Callable[[], object]) -> float:
    """Return the CPU time of one call, in the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            call()
        best = min(best, time.process_time() - began)
    return best / CALLS * 1e6


def main() -> None:
    """Measure and print."""
    ordered = Order(1, [Item("tea", Decimal("2.50")), Item("pot", Decimal("9.95"))])
    cases: list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]] = [
        ("three plain arguments by place", plain, (1, "a", 2.0), {}),
        ("three plain arguments by name", plain, (), {"number": 1, "text": "a", "ratio": 2.0}),
        ("a dataclass with two others", order, (ordered,), {}),
    ]
    pack_call = queue.outbox.packer.pack
    print(f"{'':32} {'push':>6} {'worker':>7} {'pack':>6} {'pack, validate=False':>21}   (µs)")
    for number, (title, function, args, kwargs) in enumerate(cases):
        job = queue.job(name=f"checked{number}")(function)
        validator = queue.outbox.packer.validator(job)
        assert validator is not None
        stored = validator.dump(args, kwargs)
        check = microseconds(partial(validator.dump, args, kwargs)), microseconds(partial(validator.load, *stored))
        unchecked: Any = queue.job(name=f"unchecked{number}", validate=False)(function)
        given = stored  # without the check, only plain data can be packed
        pack = [microseconds(partial(pack_call, one.bind(*a, **k))) for one, (a, k) in ((job, (args, kwargs)), (unchecked, given))]
        print(f"{title:32} {check[0]:6.2f} {check[1]:7.2f} {pack[0]:6.2f} {pack[1]:21.2f}")


if __name__ == "__main__":
    main()
