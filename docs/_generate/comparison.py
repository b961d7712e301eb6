"""The table of README.md that compares taskq with other libraries: figures of docs/benchmarks.md, and what a crash does to a job."""

from __future__ import annotations

import re

__all__ = ["comparison"]

#: The libraries of the table, and what happens by default to the job of a worker process that crashes.
_CRASH = {
    "taskq": "runs again",
    "Dramatiq": "runs again",
    "arq": "runs again",
    "RQ": "fails",
    "Celery": "is lost",
    "Huey": "is lost",
}
_RATES = "run, jobs/s"
_LATENCY = "push to start, p50, ms"
_MEMORY = "a waiting job, bytes"
_RUN = re.compile(r"Measured in one run of [\d.]+ minutes on (\S+); rounds: (\d+); (\d+ cores)")


def comparison(page: str) -> str:
    """Make the table from the text of docs/benchmarks.md.

    Raises:
        ValueError: the page lacks a table, a library, or the line about its run.
    """
    rates, others = _table(page, _RATES), _table(page, _LATENCY)
    lines = [
        "| library | no-op jobs/s | push to start, p50 | a waiting job | the job of a crashed process, by default |",
        "|---|--:|--:|--:|---|",
    ]
    for library, crash in sorted(_CRASH.items(), key=lambda entry: -_number(_row(rates, entry[0])[_RATES])):
        rate, other = _row(rates, library)[_RATES], _row(others, library)
        cells = [library, rate, f"{other[_LATENCY]} ms", f"{other[_MEMORY]} bytes", crash]
        lines.append("| " + " | ".join(f"**{cell}**" if library == "taskq" else cell for cell in cells) + " |")
    return "\n".join([*lines, "", _run(page)])


def _run(page: str) -> str:
    found = _RUN.search(" ".join(page.split()))
    if found is None:
        raise ValueError("docs/benchmarks.md must name the day, the rounds and the cores of its run")
    day, rounds, cores = found.groups()
    quick = " in a quick run" if "from a quick run" in page else ""
    return f"Two worker processes each, measured on {day} on {cores}{quick} (rounds: {rounds})."


def _table(page: str, column: str) -> dict[str, dict[str, str]]:
    """Return the rows of the table that has a column, by their first cell."""
    for block in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
        head, _, *rows = ([cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in block.splitlines())
        if column in head:
            return {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    raise ValueError(f"docs/benchmarks.md must have a table with the column {column!r}")


def _row(table: dict[str, dict[str, str]], library: str) -> dict[str, str]:
    if library not in table:
        raise ValueError(f"docs/benchmarks.md must have a row for {library}")
    return table[library]


def _number(text: str) -> float:
    return float(text.replace(",", ""))
