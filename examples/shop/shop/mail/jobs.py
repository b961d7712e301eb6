"""The jobs of mail, in a separate channel, so that a slow mail server delays no payment."""

from __future__ import annotations

import taskq
from shop.background import queue
from shop.mail import server
from shop.orders.models import Receipt


@queue.job(channel="mail")
def send_receipt(receipt: Receipt) -> None:
    """Mail a receipt. If the server is down, taskq tries again."""
    request = taskq.current().headers.get("request-id", "-")
    server.deliver(receipt.customer, f"Paid: {receipt.total} EUR at {receipt.paid_at:%H:%M} UTC (request {request})")
