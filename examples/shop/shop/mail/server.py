"""Stands in for a mail server: it prints the mail."""

from __future__ import annotations


def deliver(to: str, text: str) -> None:
    print(f"mail to {to}: {text}")
