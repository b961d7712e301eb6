"""Arguments with type hints: the job gets equal values of the same types, or the push is refused with the path."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskq import Queue
from taskq.errors import ArgumentsError, SerializationError
from tests.jobs.typed.conftest import receive, send
from tests.jobs.typed.models import (
    Address,
    Customer,
    Everything,
    Item,
    Level,
    Limits,
    Login,
    Order,
    Page,
    Person,
    Place,
    Plan,
    Rebate,
    Strict,
    Ticket,
    Vip,
)

pytestmark = pytest.mark.one_python
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
prices = st.decimals(allow_nan=False, allow_infinity=False, places=2)
items = st.builds(Item, prices, st.integers(-9, 9))
small = st.integers(-(2**63), 2**63)
moments = st.datetimes(timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30)), None])) | st.datetimes(
    min_value=dt.datetime(1990, 1, 1),  # noqa: DTZ001
    timezones=st.just(BERLIN),
)
days = st.dates()
waits = st.timedeltas(dt.timedelta(-999), dt.timedelta(999))
everything = st.builds(
    Everything,
    order=st.builds(Order, st.lists(items, max_size=2), st.dictionaries(text, small | text | st.none(), max_size=2)),
    address=st.builds(Address, text, days | st.none()),
    limits=st.fixed_dictionaries({}, optional={"most": prices, "plan": st.sampled_from(Plan)}),
    place=st.builds(Place, small, days),
    ticket=st.builds(Ticket, st.uuids(), waits),
    plan=st.sampled_from(Plan),
    level=st.just(Level.LOW),
    at=moments,
    day=days,
    time=st.times(),
    wait=waits,
    id=st.uuids(),
    price=prices,
    data=st.binary(max_size=5),
    size=st.sampled_from(["s", "m"]),
    either=small | text | st.lists(items, max_size=2) | st.none(),
    page=st.builds(Page, st.lists(st.builds(Place, small, days), max_size=2)),
    by_number=st.dictionaries(small, days, max_size=2),
    unique=st.sets(small, max_size=2),
    pair=st.tuples(small, prices),
    customer=st.builds(Customer, name=text, born=days, discounts=st.lists(prices, max_size=2)),
    anything=st.lists(small | text | st.booleans(), max_size=2),
)


def _jobs(serializer: str) -> Any:
    queue = Queue("redis://127.0.0.1:1", serializer=serializer, channels={"default": {}})

    @queue.job(name="take")
    def take(one: Everything, *more: Everything, last: Everything | None = None, **named: Everything) -> None: ...

    return take


ROUND_TRIPS = [_jobs("json"), _jobs("msgpack")]


@given(everything, everything)
@settings(max_examples=30)
def test_every_listed_type_arrives_as_it_was_pushed(one: Everything, other: Everything) -> None:
    """Given values of all types that can be rebuilt, by place, by name, in *args and **kwargs, then equal ones arrive."""
    for take in ROUND_TRIPS:
        args, kwargs = send(take, one, other, last=other, x=one)
        for found, pushed in zip((*args, kwargs["last"], kwargs["x"]), (one, other, other, one), strict=True):
            assert found.at.isoformat() == pushed.at.isoformat()  # in a repeated hour, == says that no datetimes of two zones are equal
            assert msgspec.structs.replace(found, at=pushed.at) == pushed
        assert [type(getattr(args[0], name)) for name in one.__struct_fields__] == [
            type(getattr(one, name)) for name in one.__struct_fields__
        ]


def _order(queue: Queue) -> Any:
    @queue.job(name="shop:take")
    def take(
        order: Order, plan: Plan = Plan.FREE, limits: Limits | None = None, *ids: int, due: dt.datetime | None = None, **days: dt.date
    ) -> None: ...

    return take


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        (({"items": [{"price": "1"}, {"price": 2}, {"price": []}]},), {}, "order.items[2].price: expected Decimal, got list"),
        ((Order([Item(Decimal(1)), Item("2")]),), {}, "order.items[1].price: expected Decimal, got str"),  # type: ignore[arg-type]
        ((Order([Item(Decimal(1), "2")]),), {}, "order.items[0].count: expected int, got str"),  # type: ignore[arg-type]
        ((Order([Rebate(Decimal(1), why="new")]),), {}, "order.items[0]: expected Item, got Rebate"),
        (({},), {}, "order.items: required, but missing"),
        ((5,), {}, "order: expected dict, got int"),
        ((Order([]), "gold"), {}, "plan: invalid value 'gold'"),
        ((Order([]),), {"plan": 1}, "plan: expected str, got int"),
        ((Order([]),), {"limits": {"most": {}}}, "limits.most: expected Decimal, got dict"),
        ((Order([]), Plan.FREE, None, 1, 2.5), {}, "ids[1]: expected int, got float"),
        ((Order([]),), {"due": "yesterday"}, "due: invalid RFC3339 encoded datetime"),
        ((Order([]),), {"first": "2026-01-01", "second": 3}, "second: expected date, got int"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_path(data_queue: Queue, args: Any, kwargs: Any, problem: str) -> None:
    """Given an argument that doesn't fit its hint, at any depth, then the push is refused with its path, before anything is sent."""
    with pytest.raises(ArgumentsError, match="^" + re.escape(f"wrong argument of shop:take: {problem}") + "$"):
        send(_order(data_queue), *args, **kwargs)


@pytest.mark.parametrize(
    ("notes", "problem"),
    [
        ({"x": [Decimal(1)]}, "order.notes['x'][0]: Decimal is not plain data"),
        ({"x": Plan.FREE}, "order.notes['x']: Plan is an enum"),
        ({Plan.FREE: 1}, "a key in order.notes: Plan is an enum"),
        ({"x": {1, 2}}, "order.notes['x']: set is not plain data"),
        ({"x": object()}, "order: object is not plain data"),
    ],
)
def test_a_value_without_a_hint_may_not_change(data_queue: Queue, notes: dict[Any, Any], problem: str) -> None:
    """Given objects where the hint says Any, then the push is refused as without hints: they would arrive as something else."""
    with pytest.raises(SerializationError, match=re.escape(f"wrong argument of shop:take: {problem}")):
        send(_order(data_queue), Order([], notes))


def test_data_in_the_form_of_other_languages_is_accepted(data_queue: Queue) -> None:
    """Given the data that a client of another language would send, when it is pushed here, then the job gets objects."""
    args, kwargs = send(_order(data_queue), {"items": [{"price": "1.10"}, {"price": 2}]}, "paid", due="2026-01-01T10:00:00+02:00")
    zone = dt.timezone(dt.timedelta(hours=2))
    assert args == (Order([Item(Decimal("1.10")), Item(Decimal(2))]), Plan.PAID)
    assert kwargs == {"due": dt.datetime(2026, 1, 1, 10, tzinfo=zone)}
    assert type(args[1]) is Plan


def test_plain_arguments_are_strict(data_queue: Queue) -> None:
    """Given plain hints, then an int is a float, and neither text nor a bool is an int; tuples arrive as tuples."""

    @data_queue.job(name="plain")
    def plain(a: int, b: float, c: str | None = None, d: tuple[int, ...] = (), size: Literal["s", "m"] = "s", e: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    args, kwargs = send(plain, 1, 2, d=(3, 4), e=None)
    assert (args, kwargs) == ((1, 2.0), {"d": (3, 4), "e": None})
    assert type(args[1]) is float
    for wrong, problem in (
        ({"a": "1"}, "a: expected int, got str"),
        ({"a": True}, "a: expected int, got bool"),
        ({"a": None}, "a: expected int, got None"),
        ({"c": 1}, "c: expected str | None, got int"),
        ({"d": [1, "2"]}, "d[1]: expected int, got str"),
        ({"size": "xl"}, "size: invalid value 'xl'"),
    ):
        with pytest.raises(ArgumentsError, match=re.escape(f"wrong argument of plain: {problem}")):
            send(plain, **{"a": 1, "b": 2.0, **wrong})
    with pytest.raises(SerializationError, match="Level is an enum"):
        send(plain, Level.LOW, 2.0)


class Card(msgspec.Struct, tag=True):
    number: str


class Cash(msgspec.Struct, tag=True, forbid_unknown_fields=True):
    cents: Annotated[int, msgspec.Meta(ge=1)]


def test_unions_by_tag_bounds_and_unions_that_data_doesn_t_tell_apart(data_queue: Queue) -> None:
    """Given Structs with tags and bounds, then the right one arrives; a union that can't be told apart accepts any data."""

    @data_queue.job(name="pay")
    def pay(by: Card | Cash, at: dt.datetime | str = "") -> None: ...

    assert send(pay, Cash(5)) == ((Cash(5),), {})
    assert send(pay, Card("1"), at="now") == ((Card("1"),), {"at": "now"})
    for wrong, problem in (
        ({"type": "Cash", "cents": 0}, "by.cents: expected int >= 1"),
        ({"type": "Cash", "cents": 1, "x": 1}, "by: object contains unknown field x"),
    ):
        with pytest.raises(ArgumentsError, match=re.escape(problem)):
            send(pay, wrong)


def test_pydantic_models_are_rebuilt(data_queue: Queue) -> None:
    """Given pydantic models, strict ones and aliases too, then they arrive equal; a wrong field is named with its path."""

    @data_queue.job(name="bill")
    def bill(customers: list[Customer], strict: Strict | None = None) -> None: ...

    one, strict = Customer(name="a", born=dt.date(2000, 1, 2), discounts=[Decimal("0.1")]), Strict(at=dt.datetime.now(dt.UTC), paidBy=7)
    assert send(bill, [one], strict) == (([one], strict), {})
    assert send(bill, [{"name": "a", "born": "2000-01-02", "discounts": ["0.1"]}]) == (([one],), {})
    with pytest.raises(
        ArgumentsError, match=re.escape("wrong argument of bill: customers[1].discounts[0]: input should be a valid decimal")
    ):
        send(bill, [one, {"name": "b", "born": "2000-01-02", "discounts": ["x"]}])
    with pytest.raises(ArgumentsError, match=re.escape("wrong argument of bill: strict.at: field required")):
        send(bill, [], {})


@pytest.mark.parametrize(
    ("lost", "problem"),
    [
        ({"password": "s"}, "login.password: SecretStr('**********') is hidden in the data"),
        ({"by": Vip(name="a", born=dt.date(2000, 1, 2))}, "login.by: expected Customer, got Vip"),
        ({"price": Decimal("0.4")}, "login.price: Decimal('0.4') would be restored as Decimal('0')"),
        ({"tags": ["a", "b"]}, "login.tags: 2 items would be restored as 1"),
        ({"data": {"at": dt.date(2000, 1, 2)}}, "login.data['at']: date is not plain data"),
    ],
)
def test_a_field_that_pydantic_does_not_store_is_refused(data_queue: Queue, lost: dict[str, Any], problem: str) -> None:
    """Given a model whose data doesn't contain the value of a field, then the push is refused: the job would get another one."""

    @data_queue.job(name="enter")
    def enter(login: Login) -> None: ...

    with pytest.raises((ArgumentsError, SerializationError), match=re.escape(f"wrong argument of enter: {problem}")):
        send(enter, Login(**lost))


def test_an_argument_whose_hint_cannot_be_used_says_why(data_queue: Queue) -> None:
    """Given a union of models, then the push of one says why the hint doesn't help. As a model itself, the union works."""

    @data_queue.job(name="greet")
    def greet(who: Customer | Login, person: Person | None = None) -> None: ...

    one = Customer(name="a", born=dt.date(2000, 1, 2))
    with pytest.raises(SerializationError, match=r"The type hint of 'who' can't be used: Type unions may not contain more than one custom"):
        send(greet, one)
    assert send(greet, None, Person(one)) == ((None, Person(one)), {})


def test_what_a_model_leaves_out_itself_is_accepted(data_queue: Queue) -> None:
    """Given `exclude=True`, private attributes and an unchecked default of another type, then the model is pushed."""

    @data_queue.job(name="enter")
    def enter(login: Login) -> None: ...

    (arrived,), _ = send(enter, Login(price=Decimal(7), cache=5))
    assert (arrived.price, arrived.plan, arrived.cache) == (7, "free", 0)


class Shop:
    """A class whose methods are jobs."""

    queue = Queue("redis://127.0.0.1:1", serializer="json", channels={"default": {}})

    @queue.job
    def sell(self: Any, item: Item, /, *, at: dt.date) -> None: ...

    @staticmethod
    @queue.job
    def close(at: dt.date) -> None: ...


def test_methods_are_checked_like_functions() -> None:
    """Given methods as jobs, then their hints count, and `self` without a hint is any data."""
    assert send(Shop.sell, "shop", Item(Decimal(1)), at=dt.date(2026, 1, 1)) == (("shop", Item(Decimal(1))), {"at": dt.date(2026, 1, 1)})
    assert send(Shop.close, dt.date(2026, 1, 1)) == ((dt.date(2026, 1, 1),), {})
    with pytest.raises(ArgumentsError, match="at: expected date, got int"):
        send(Shop.close, 5)


def test_a_message_of_older_code_fails_with_the_same_text(data_queue: Queue) -> None:
    """Given a message that was pushed before a hint changed, then reading it raises the error that a push would."""
    old = Queue("redis://127.0.0.1:1", serializer=data_queue.settings.serializer, channels={"default": {}})

    @old.job(name="shop:take")
    def before(order: dict[str, Any]) -> None: ...

    _order(data_queue)
    payload = old.outbox._pack(before.bind({"items": [{"price": "free"}]})).payload
    with pytest.raises(ArgumentsError, match=re.escape("wrong argument of shop:take: order.items[0].price: invalid decimal string")):
        receive(data_queue, payload)
