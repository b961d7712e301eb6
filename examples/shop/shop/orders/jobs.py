"""The jobs of orders."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from shop.background import queue
from shop.mail.jobs import send_receipt
from shop.orders.models import Order, Receipt


class Declined(Exception):
    """The bank has refused a payment. Another attempt would be refused, too."""


@queue.job(result_ttl=3600, give_up_on=Declined)
def pay(order: Order) -> Receipt:
    """Charge the customer, and send a receipt."""
    total = sum((item.price * item.count for item in order.items), Decimal())
    if total > 10_000:
        raise Declined(f"{total} is over the limit of the card")
    receipt = Receipt(order.customer, total, datetime.now(UTC))
    send_receipt.push(receipt)
    return receipt
