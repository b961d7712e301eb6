"""Pushing with taskq: one by one beside a loop of bare LPUSH, and many with one call."""

from __future__ import annotations

import functools

from tests.benchmarks.book import Book
from tests.benchmarks.contender import Contender
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import BLMOVE, TASKQ

__all__ = ["cases"]


def cases(plan: Plan) -> list[Case]:
    """The bare loops beside taskq."""
    return [
        Case("LPUSH loop", functools.partial(_one_by_one, plan, BLMOVE, "push_constant")),
        Case("push", functools.partial(_one_by_one, plan, TASKQ, "push")),
        Case("LPUSH, a thousand a command", functools.partial(_many, plan, BLMOVE, "LPUSH")),
        Case("push_many", functools.partial(_many, plan, TASKQ, "taskq")),
    ]


def _one_by_one(plan: Plan, contender: Contender, function: str, book: Book, _: int) -> None:
    count = plan.sizes.duel
    with Stage(contender, jobs=0) as stage:
        book.add("push_rate", "taskq" if contender is TASKQ else "LPUSH loop", count / stage.push("fill", count, function)["seconds"])


def _many(plan: Plan, contender: Contender, who: str, book: Book, _: int) -> None:
    count = plan.sizes.many
    with Stage(contender, jobs=0) as stage:
        before = stage.used_memory()
        book.add("push_many", who, count / stage.push("many", count)["seconds"])
        book.add("message_bytes", who, (stage.used_memory() - before) / count)
