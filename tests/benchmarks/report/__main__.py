"""Makes docs/benchmarks.md and its chart from the file of a run.

python -m tests.benchmarks.report FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from string import Template

from tests.benchmarks.book import Book
from tests.benchmarks.report.ahead import ahead
from tests.benchmarks.report.budgets import budget_table
from tests.benchmarks.report.chart import chart, kind_chart
from tests.benchmarks.report.kinds import kind_cost_table, kind_rounds, kind_table
from tests.benchmarks.report.tables import cost_table, headline, rate_table, setup_table
from tests.support.worker import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "_static" / "benchmarks.svg"
KIND_CHART = ROOT / "docs" / "_static" / "benchmarks-kinds.svg"
TEMPLATE = Path(__file__).with_name("page.md")


def page(run: dict[str, dict[str, str]], book: Book) -> str:
    """Fill the template."""
    facts = run["facts"]
    quick = "> **Warning:** These figures are from a quick run: small amounts, one round.\n"
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        {"command": "python -m tests.benchmarks", **facts},
        redis_py=facts["redis-py"],
        warning="" if facts["size"] == "full" else quick,
        headline=headline(book),
        budgets=budget_table(book),
        rates=rate_table(book),
        costs=cost_table(book),
        kinds=kind_table(book),
        kind_rounds=kind_rounds(book),
        kind_costs=kind_cost_table(book),
        ahead=ahead(book),
        setups=setup_table(run["versions"], facts["taskq"]),
    )


def main(arguments: list[str]) -> int:
    """Write both files."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    run = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    book = Book(run["values"])
    PAGE.write_text(page(run, book), encoding="utf-8")
    CHART.write_text(chart(book), encoding="utf-8")
    KIND_CHART.write_text(kind_chart(book), encoding="utf-8")
    print("wrote " + ", ".join(str(path.relative_to(ROOT)) for path in (PAGE, CHART, KIND_CHART)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
