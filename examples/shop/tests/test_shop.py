"""The tests of the shop: no server, no worker, no sleep. `taskq` is the fixture of taskq's pytest plugin."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fastapi.testclient import TestClient
from shop.mail import server
from shop.mail.jobs import send_receipt
from shop.orders.jobs import Declined, pay
from shop.orders.models import Item, Order
from shop.web import app

import taskq.testing

BOOKS = {"customer": "anna@example.org", "items": [{"name": "book", "price": "12.50", "count": 2}]}


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The mails that were delivered."""
    delivered: list[str] = []
    monkeypatch.setattr(server, "deliver", lambda to, text: delivered.append(f"{to}: {text}"))
    return delivered


def test_an_order_is_paid_and_mailed(taskq: taskq.testing.Recording, mails: list[str]) -> None:
    with TestClient(app) as client:
        accepted = client.post("/orders", json=BOOKS, headers={"X-Request-Id": "r-7"})
        assert accepted.status_code == 202
        url = f"/orders/{accepted.json()['id']}"
        taskq.assert_pushed(pay, headers={"request-id": "r-7"})
        assert client.get(url).status_code == 425
        assert taskq.run_all() == 2
        assert client.get(url).json()["total"] == "25.00"
    taskq.assert_pushed(send_receipt, channel="mail", headers={"request-id": "r-7"})
    (mail,) = mails
    assert mail.startswith("anna@example.org: Paid: 25.00 EUR")
    assert mail.endswith("(request r-7)")


def test_a_declined_payment_is_not_repeated(taskq: taskq.testing.Recording, mails: list[str]) -> None:
    handle = pay.push(Order("ben@example.org", [Item("boat", Decimal(20_000))]))
    with pytest.raises(Declined, match="over the limit"):
        taskq.run_all()
    assert handle.status().state == "failed"
    assert mails == []


def test_a_mail_is_tried_again(taskq: taskq.testing.Recording, mails: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(to: str, text: str) -> None:
        raise ConnectionRefusedError(to)

    pay.push(Order("cleo@example.org", []))
    with monkeypatch.context() as outage:
        outage.setattr(server, "deliver", refuse)
        taskq.run_all(raises=False)
    assert mails == []
    taskq.travel(1)
    assert taskq.run_all() == 1
    assert mails[0].startswith("cleo@example.org: Paid: 0 EUR")


def test_wrong_arguments_fail_at_the_push() -> None:
    with pytest.raises(taskq.ArgumentsError, match=r"order\.items\[0\]\.price"):
        pay.push(Order("dora@example.org", [Item("lamp", "cheap")]))  # type: ignore[arg-type]
