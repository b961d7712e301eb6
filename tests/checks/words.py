"""Counts words and long sentences that the project's plain English does without: a command, and the check of test_words.py.

    python -m tests.checks.words                          a table: each row, its counts and limits
    python -m tests.checks.words --list tell say          each hit of these rows, as file:line: text (`--list` alone: of all rows)
    python -m tests.checks.words --list tell --in worker  the same, of files whose path contains "worker" (may be repeated)
    python -m tests.checks.words --scope docs --list      one scope only: docs, strings, doc, comm, names

Scopes: docs are the Markdown pages without code blocks; strings are literals with a space in taskq/ (errors, logs, help); doc are
docstrings; comm are comments, Lua included; names are identifiers, split at underscores and capitals. A count above its limit
is an error (exit code 1). Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.checks.texts import ROOT, Hit, Text, long_paragraphs, long_sentences, names, texts

__all__ = ["ROWS", "Row", "count", "hits", "main", "too_many"]

SCOPES = ("docs", "strings", "doc", "comm", "names")


class Row(NamedTuple):
    """A measure: a pattern, the scopes that it is counted in, and the limit for each."""

    name: str
    pattern: str
    limits: dict[str, int]
    flags: int = re.IGNORECASE


def _in_all(docs: int, strings: int, doc: int, comm: int) -> dict[str, int]:
    return {"docs": docs, "strings": strings, "doc": doc, "comm": comm}


#: In `is-no`, Python's None is not a hit.
ROWS = (
    Row("tell", r"\b(tells?|told|telling)\b", _in_all(0, 0, 0, 0)),
    Row("say", r"\b(says?|said|saying)\b", _in_all(5, 0, 2, 4)),
    Row("hear", r"\b(hears?|heard|hearing)\b", _in_all(0, 0, 0, 0)),
    Row("whoever", r"\b(whoever|whomever|whosever|whatever)\b", _in_all(0, 0, 0, 0)),
    Row("what", r"^(?:[#*|: -]*)(What|Who|Whose|Whether)\b(?![^\n]*\?)", _in_all(1, 0, 0, 5), re.MULTILINE),
    Row("is-no", r"\b(is|are|was|were) (?!(?-i:None)\b)(no|none)\b", _in_all(3, 0, 5, 4)),
    Row("no-more", r"\bno more\b|\bshall\b", _in_all(0, 0, 0, 0)),
    Row("anew", r"\b(anew|so many|all the same|all the while)\b", _in_all(0, 0, 0, 0)),
    Row("stands", r"\b(stands?|stood|lies|lay)\b", _in_all(1, 0, 2, 1)),
    Row("somebody", r"\b(some|any|every|no)body\b|\bothers'", _in_all(0, 0, 1, 3)),
    Row("mend", r"\b(mend(s|ed|ing)?|work(s|ed|ing)? off)\b", _in_all(0, 0, 0, 0)),
    Row("own", r"\bof (its|their|your|his|our) own\b|\bof (yours|theirs|ours)\b", _in_all(7, 1, 5, 2)),
    Row("else", r"[,;] else\b|\b(and|or) else\b", _in_all(0, 0, 0, 0)),
    Row("for-good", r"\bfor good\b", _in_all(0, 0, 0, 0)),
    Row("uncounted", r"\buncounted\b|runs? again elsewhere", _in_all(0, 0, 0, 0)),
    Row(
        "metaphors",
        r"\b(till|ear|crowd|crew|staff|burial|ghosts?|estate|nursery|vigil|succession|waiter|sleeper|surroundings)\b",
        _in_all(0, 0, 0, 0),
    ),
    Row("headings", r"^#+ (What|Who|Whose|Where|How|When|Why|Which)\b", {"docs": 3}, re.MULTILINE),
    Row("sentences-25", "", {"docs": 28}),
    Row("sentences-30", "", {"docs": 1}),
    Row("sentences-40", "", {"docs": 0}),
    Row("paragraphs", "", {"docs": 0}),
    Row("identifiers", "", {"names": 0}),
)


def hits(row: Row, scope: str, root: Path = ROOT) -> Iterator[Hit]:
    """Yield each hit of a row in one of its scopes."""
    if row.name == "identifiers":
        yield from names(root)
        return
    for text in texts(scope, root):
        if row.name.startswith("sentences-"):
            yield from long_sentences(text, over=int(row.name.removeprefix("sentences-")))
        elif row.name == "paragraphs":
            yield from long_paragraphs(text)
        else:
            yield from _matches(row, text)


def _matches(row: Row, text: Text) -> Iterator[Hit]:
    for match in re.finditer(row.pattern, text.text, row.flags):
        before = text.text[: match.end()]
        line = text.text[before.rfind("\n") + 1 :].split("\n", 1)[0].strip()
        yield Hit(text.path, text.line + before.count("\n"), f"{match[0].strip()!r}: {line}")


def count(root: Path = ROOT) -> dict[str, dict[str, int]]:
    """Count the hits of every row in each of its scopes."""
    return {row.name: {scope: sum(1 for _ in hits(row, scope, root)) for scope in row.limits} for row in ROWS}


def too_many(counts: dict[str, dict[str, int]]) -> list[str]:
    """Describe each count that is above its limit."""
    return [
        f"{row.name}: {number} in {scope}, at most {row.limits[scope]}: python -m tests.checks.words --scope {scope} --list {row.name}"
        for row in ROWS
        for scope, number in counts[row.name].items()
        if number > row.limits[scope]
    ]


def _table(counts: dict[str, dict[str, int]]) -> Iterator[str]:
    yield "count/limit".ljust(22) + "".join(scope.rjust(14) for scope in SCOPES)
    for row in ROWS:
        cells = [f"{counts[row.name][scope]}/{row.limits[scope]}" if scope in row.limits else "" for scope in SCOPES]
        yield row.name.ljust(22) + "".join(cell.rjust(14) for cell in cells)


def _list(wanted: list[str], scopes: list[str], parts: list[str]) -> Iterator[str]:
    for row in ROWS:
        if wanted and row.name not in wanted:
            continue
        for scope in row.limits:
            if scope in scopes:
                for hit in hits(row, scope):
                    if not parts or any(part in hit.path for part in parts):
                        yield f"{hit.path}:{hit.line}: [{row.name}, {scope}] {hit.text}"


def main(arguments: list[str]) -> int:
    """Print the table or the hits. Return 1 if a count is above its limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.checks.words", description="Count words that plain English does without.")
    parser.add_argument("--list", nargs="*", metavar="ROW", choices=[row.name for row in ROWS], help="print each hit as file:line")
    parser.add_argument("--in", dest="parts", action="append", default=[], metavar="PART", help="only files whose path contains PART")
    parser.add_argument("--scope", action="append", choices=SCOPES, help="only this scope")
    given = parser.parse_args(arguments)
    if given.list is not None:
        print("\n".join(_list(given.list, given.scope or list(SCOPES), given.parts)))
        return 0
    counts = count()
    problems = too_many(counts)
    print("\n".join([*_table(counts), *problems]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
