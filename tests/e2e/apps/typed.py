"""Jobs whose arguments and results are rebuilt by their type hints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from taskq import Queue
from tests.support.ledger import note

queue = Queue(serializer="json")


@dataclass
class Order:
    prices: list[Decimal]


@dataclass
class Receipt:
    total: Decimal


@queue.job(result_ttl=60)
def charge(order: Order, by: Decimal = Decimal(0)) -> Receipt:
    note("charge", [str(price) for price in order.prices])
    return Receipt(sum(order.prices, by))


@queue.job(result_ttl=60)
def wrong() -> int:
    return "text"  # type: ignore[return-value]


@queue.job(result_ttl=60)
def receipts(count: int) -> Iterator[Receipt]:
    for number in range(count):
        yield Receipt(Decimal(number))
