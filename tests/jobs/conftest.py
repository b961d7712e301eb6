"""Fixtures of the tests of jobs: the queue and the shelf of tests/push."""

from __future__ import annotations

from tests.push.conftest import make_queue, queue, shelf

__all__ = ["make_queue", "queue", "shelf"]
