"""The benchmarks themselves are run by hand; how their page is made from figures is checked here."""

from __future__ import annotations

import re

import pytest

from tests.benchmarks.book import Book, Span, percentile
from tests.benchmarks.contender import CONTENDERS_FOLDER, Contender
from tests.benchmarks.measures.kinds import JOBS, KINDS, OTHERS, has
from tests.benchmarks.report.__main__ import page
from tests.benchmarks.report.ahead import ahead
from tests.benchmarks.report.budgets import BUDGETS, budget_table
from tests.benchmarks.report.chart import chart, kind_chart
from tests.benchmarks.report.kinds import kind_cost_table, kind_table
from tests.benchmarks.report.tables import headline
from tests.benchmarks.report.text import number
from tests.benchmarks.table import PEERS, TASKQ

FACTS = {
    "date": "2026-01-01", "cores": "2", "processor": "any", "system": "Linux 6", "python": "3.11.1", "server": "Valkey 9", "taskq": "1.0",
    "redis-py": "8", "load": "0.00", "minutes": "9.0", "rounds": "3", "size": "full",
    "stock": "1,000,000", "due": "100,000", "flat": "200,000",
}  # fmt: skip


@pytest.fixture
def book() -> Book:
    """Three rounds: taskq is faster than Huey at running jobs, and slower at pushing."""
    return Book(
        {
            "drain": {"bare Lua batches": [300.0, 200.0, 250.0], "taskq": [120.0, 100.0, 110.0], "Huey": [10.0, 20.0, 11.0]},
            "push": {"taskq": [5.0], "Huey": [7.0]},
        }
    )


def test_a_ratio_is_made_of_figures_of_one_round(book: Book) -> None:
    """Given rounds of different speed, then the ratios are those within each, and their median is the figure."""
    assert book.ratio("drain", "taskq", ("drain", "bare Lua batches")) == Span(0.44, 0.4, 0.5)
    assert book.ratio("drain", "taskq", ("drain", "nobody")) is None


def test_a_peer_with_a_better_figure_is_named(book: Book) -> None:
    """Given that Huey pushes faster, then the page lists that measure with both figures, and no other."""
    assert ahead(book) == "- pushing one by one: Huey 7.00; taskq 5.00 pushes/s"


def test_a_kind_that_a_library_lacks_is_a_dash_with_a_footnote() -> None:
    """Given a run, then Huey has dashes, and arq the no-op figure for its coroutines, each with its reason."""
    book = Book(
        {
            "drain": {"taskq": [100.0], "Huey": [10.0], "arq": [5.0]},
            "worker_cpu": {"arq": [90.0]},
            "server_cpu": {"arq": [9.0]},
            "result_rate": {"taskq": [50.0, 70.0], "Huey": [8.0], "arq": [4.0]},
            "result_cpu": {"Huey": [300.0]},
            "result_server": {"Huey": [30.0]},
        }
    )
    rows = kind_table(book).splitlines()
    assert rows[2].startswith("| **taskq** | 100 | 60.0 (50.0 … 70.0) | — |")
    assert rows[3] == "| Huey | 10.0 | 8.00 | — (1) | — | — | — (2) | — (3) |"
    assert rows[4] == "| arq | 5.00 | 4.00 | 5.00 (4) | — | — | — (2) | — |"
    assert rows[6:8] == ["1. Doesn't run coroutines.", "2. No bulk push: each message is sent separately."]
    costs = kind_cost_table(book).splitlines()
    assert costs[3].startswith("| Huey | — | 300 + 30.0 | — |")
    assert costs[4].startswith("| arq | 90.0 + 9.00 | — | 90.0 + 9.00 |")
    assert re.findall(r'end" fill="#1d2228">([^<]+)', kind_chart(book)) == ["no-op", "Huey", "with a result", "Huey"]


def test_a_peer_with_a_better_kind_is_named() -> None:
    """Given coroutines that arq runs faster than taskq, then the page lists them, by the figure of its no-op jobs."""
    assert ahead(Book({"drain": {"arq": [9.0]}, "async_rate": {"taskq": [5.0]}})) == "- coroutine: rate: arq 9.00; taskq 5.00 per second"


@pytest.mark.parametrize("contender", [one for one in (TASKQ, *PEERS) if one.name not in OTHERS], ids=lambda one: one.name)
def test_each_library_has_the_kinds_that_are_measured(contender: Contender) -> None:
    """Given a library, then its app has a function for each kind that its entry doesn't exclude, and for no other."""
    names = {"bulk": "push_many"}
    text = (CONTENDERS_FOLDER / f"{contender.app}.py").read_text()
    assert set(contender.lacks) <= set(KINDS)
    if contender is TASKQ:
        assert all(f'"{kind}":' in text for kind in JOBS)
        return
    for kind in set(KINDS) - {"apush"}:
        is_there = re.search(rf"^ *(async )?(def )?{names.get(kind, f'push_{kind}')}\b", text, re.MULTILINE) is not None
        assert is_there == has(contender, kind), kind


def test_the_headline_compares_with_the_fastest_peer(book: Book) -> None:
    """Given one peer and a bare loop, then taskq stands between them."""
    assert "**110 no-op jobs a second**: 10.0 times as many as the fastest peer here (Huey), and 44.0 %" in headline(book)


def test_a_budget_that_is_missed_is_reported() -> None:
    """Given a rate below its budget and a ratio above it, then one row says no, and the other yes."""
    rows = budget_table(Book({"drain": {"taskq": [90_000.0], "bare Lua batches": [180_000.0]}})).splitlines()
    assert rows[2].endswith("| ≥ 100,000 jobs/s | 90,000 jobs/s | **no** |")
    assert rows[3].endswith("| ≥ 40.0 % | 50.0 % | yes |")
    assert len(rows) == len(BUDGETS) + 2


def test_what_was_not_measured_is_a_dash() -> None:
    """Given an empty run, then the page and the chart are made anyway."""
    reported = page({"facts": FACTS, "versions": {}}, Book())
    assert "| `push_many` |  | — |  |" in reported
    assert "$" not in reported
    assert chart(Book()).startswith("<svg ")
    assert kind_chart(Book()).startswith("<svg ")


@pytest.mark.parametrize(("value", "text"), [(94_731.2, "94,700"), (412.3, "412"), (65.23, "65.2"), (1.234, "1.23"), (float("nan"), "—")])
def test_figures_have_three_digits_that_count(value: float, text: str) -> None:
    """Given figures of any size, then no more digits are told than are known."""
    assert number(value) == text


def test_a_percentile_of_nothing_is_no_number() -> None:
    """Given waits, then the percentile is one of them; given none, then it is told as such."""
    assert percentile(range(100), 0.99) == 99
    assert number(percentile([], 0.5)) == "—"
