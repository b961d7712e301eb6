"""Arguments and results of the jobs. JSON has no decimals and no dates: taskq rebuilds them by the type hints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass
class Item:
    name: str
    price: Decimal
    count: int = 1


@dataclass
class Order:
    customer: str
    items: list[Item]


@dataclass
class Receipt:
    customer: str
    total: Decimal
    paid_at: datetime
