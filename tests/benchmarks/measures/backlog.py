"""Whether a full queue is slower: pushing and working off with a thousand messages behind, and with a million waiting or delayed."""

from __future__ import annotations

import functools
import time

from taskq.channel import Keys
from tests.benchmarks.book import Book
from tests.benchmarks.drain import drain
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import TASKQ

__all__ = ["cases"]

KEYS = Keys("queue")
FEW = 1_000
STOCK_WAITING, STOCK_DELAYED = "stock:waiting", "stock:delayed"


class Backlog:
    """One server for all rounds, with a stock of messages that each case copies in the server: filling takes longer than measuring."""

    def __init__(self, plan: Plan) -> None:
        self.drained, self.stock, self.pushes = plan.sizes.drained, plan.sizes.stock, plan.sizes.duel // 2
        self.many = plan.sizes.many // 4
        self.stage = plan.stack.enter_context(Stage(TASKQ, jobs=self.drained + self.stock))

    def fill_stock(self) -> None:
        """Push everything once."""
        server = self.stage.server.admin
        self.stage.push("many", self.drained + self.stock)
        server.rename(KEYS.waiting, STOCK_WAITING)
        self.stage.push("call", "push_range", 0, self.stock, time.time() + 3600)
        server.rename(KEYS.delayed, STOCK_DELAYED)

    def measure(self, waiting: int, delayed: int, who: str, book: Book, _: int) -> None:
        """Copy that many behind the ones that are worked off, push some more, and work off."""
        if not self.stage.server.admin.exists(STOCK_WAITING):
            self.fill_stock()
        self._lay_out(waiting, delayed)
        book.add("backlog_push", who, self.stage.push_rate(self.pushes))
        book.add("backlog_many", who, self.stage.push_many_rate(self.many))
        group = self.stage.start_worker()
        book.add("backlog_drain", who, drain(self.stage, group, self.drained).rate)
        group.stop()

    def _lay_out(self, waiting: int, delayed: int) -> None:
        server = self.stage.server.admin
        kept = {STOCK_WAITING.encode(), STOCK_DELAYED.encode()}
        for key in list(server.scan_iter(count=1000)):
            if key not in kept:
                server.delete(key)
        server.copy(STOCK_WAITING, KEYS.waiting)
        server.ltrim(KEYS.waiting, -(self.drained + waiting), -1)  # the oldest are at the tail
        server.copy(STOCK_DELAYED, KEYS.delayed)
        server.zremrangebyrank(KEYS.delayed, delayed, -1)
        self.stage.reset()


def cases(plan: Plan) -> list[Case]:
    """Few, many waiting, many delayed."""
    backlog = Backlog(plan)
    stock = plan.sizes.stock
    many = f"{stock:,}"
    return [
        Case("few", functools.partial(backlog.measure, FEW, FEW, "few")),
        Case(f"{many} waiting", functools.partial(backlog.measure, stock, FEW, "waiting")),
        Case(f"{many} delayed", functools.partial(backlog.measure, FEW, stock, "delayed")),
    ]
