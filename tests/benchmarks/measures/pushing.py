"""Pushing with taskq: one by one beside a loop of bare LPUSH, and many with one call."""

from __future__ import annotations

import functools

from tests.benchmarks.book import Book
from tests.benchmarks.contender import Contender
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import FIRST, Stage
from tests.benchmarks.table import BLMOVE, TASKQ

__all__ = ["cases"]

#: A ratio of two loops of a second each needs more than one pair a round.
PAIRS = 3


def cases(plan: Plan) -> list[Case]:
    """The bare loops beside taskq."""
    one_by_one = [
        Case("LPUSH loop", functools.partial(_one_by_one, plan, BLMOVE, "push_constant")),
        Case("push", functools.partial(_one_by_one, plan, TASKQ, "push")),
    ]
    many = [
        Case("LPUSH, a thousand a command", functools.partial(_many, plan, BLMOVE, "LPUSH")),
        Case("push_many", functools.partial(_many, plan, TASKQ, "taskq")),
    ]
    return one_by_one * PAIRS + many


def _one_by_one(plan: Plan, contender: Contender, function: str, book: Book, _: int) -> None:
    count = plan.sizes.duel
    with Stage(contender, jobs=0) as stage:
        book.add("push_rate", "taskq" if contender is TASKQ else "LPUSH loop", stage.push_rate(count, function))


def _many(plan: Plan, contender: Contender, who: str, book: Book, _: int) -> None:
    count = plan.sizes.many
    with Stage(contender, jobs=0) as stage:
        before = stage.used_memory()
        book.add("push_many", who, stage.push_many_rate(count))
        book.add("message_bytes", who, (stage.used_memory() - before) / (count + FIRST))
