"""Types that arguments may have."""

from __future__ import annotations

import datetime as dt
import enum
import time
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import attrs
import msgspec
import pydantic

T = TypeVar("T")


class Plan(enum.StrEnum):
    FREE = "free"
    PAID = "paid"


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Item:
    price: Decimal
    count: int = 1


@dataclass
class Rebate(Item):
    why: str = ""


@dataclass
class Order:
    items: list[Item]
    notes: dict[str, Any] = field(default_factory=dict)


class Address(msgspec.Struct):
    street: str
    since: dt.date | None = None


class Page(msgspec.Struct, Generic[T]):
    items: list[T]


class Limits(TypedDict, total=False):
    most: Decimal
    plan: Plan


class Place(NamedTuple):
    row: int
    day: dt.date


@attrs.define
class Ticket:
    id: uuid.UUID
    wait: dt.timedelta


class Customer(pydantic.BaseModel):
    name: str
    born: dt.date
    discounts: list[Decimal] = []


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)

    at: dt.datetime
    by: int = pydantic.Field(default=1, alias="paidBy")


class Vip(Customer):
    rank: int = 1


class Login(pydantic.BaseModel):
    """What pydantic doesn't store, or stores otherwise, and what it does not check."""

    password: pydantic.SecretStr = pydantic.SecretStr("")
    by: Customer | None = None
    price: Annotated[Decimal, pydantic.PlainSerializer(lambda price: str(round(price)))] = Decimal(0)
    tags: Annotated[list[str], pydantic.PlainSerializer(lambda tags: tags[:1])] = []
    data: dict[str, Any] = {}
    plan: str = Plan.FREE
    limit: Decimal = 1  # type: ignore[assignment]
    cache: int = pydantic.Field(default=0, exclude=True)
    _seen: float = pydantic.PrivateAttr(default_factory=time.monotonic)


class Person(pydantic.RootModel[Customer | Login]): ...


class Everything(msgspec.Struct):
    """A value of each type that can be rebuilt."""

    order: Order
    address: Address
    limits: Limits
    place: Place
    ticket: Ticket
    plan: Plan
    level: Level
    at: dt.datetime
    day: dt.date
    time: dt.time
    wait: dt.timedelta
    id: uuid.UUID
    price: Decimal
    data: bytes
    size: Literal["s", "m"]
    either: int | str | list[Item] | None
    page: Page[Place]
    by_number: dict[int, dt.date]
    unique: set[int]
    pair: tuple[int, Decimal]
    customer: Customer
    anything: Any
