"""Standard output: tables, JSON, and text that can't harm a terminal. Standard error: warnings."""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from taskq.cli.words import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Column", "console", "json_text", "print_json", "print_json_list", "print_table", "print_text", "table", "warn"]

#: How many values of a long list are printed at once, and how many rows of a long table.
_PART = 1000
#: The width of a table without a terminal: wide, so that nothing is cut for a program that reads it.
_PIPE_WIDTH = 300


class Column(NamedTuple):
    """One column of a table. A column that is not `whole` shrinks on a narrow terminal."""

    title: str
    whole: bool = False
    right: bool = False


def console() -> Console:
    """Return a console on standard output: in colors on a terminal, plain otherwise."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the process; the group does that for every command

    width = shutil.get_terminal_size((_PIPE_WIDTH, 24)).columns
    return Quiet(width=width, highlight=False, markup=False, emoji=False, legacy_windows=False)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, width: int | None = None) -> Table:
    """Return a table of text with escaped control characters. Long cells are cut to the width, if one is given so that all columns fit."""
    from rich.table import Table
    from rich.text import Text

    lines = [[clean(cell) for cell in row] for row in rows]
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", show_header=True)
    widest = [max(map(len, cells)) for cells in zip([column.title for column in columns], *lines, strict=True)]
    shares = {} if width is None else _shares(columns, widest, width)
    for number, column in enumerate(columns):
        made.add_column(
            column.title,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if column.right else "left",
            min_width=widest[number] if column.whole else None,
            max_width=shares.get(number),
        )
    for line in lines:
        made.add_row(*map(Text, line))
    return made


def _shares(columns: Sequence[Column], widest: Sequence[int], width: int) -> dict[int, int]:
    """Return the widths of the columns that can be cut. rich would cut all columns alike, so a long cell would hide the others."""
    left = width - sum(most for most, column in zip(widest, columns, strict=True) if column.whole) - 2 * (len(columns) - 1)
    cut = sorted((most, number) for number, (most, column) in enumerate(zip(widest, columns, strict=True)) if not column.whole)
    shares = {}
    for place, (most, number) in enumerate(cut):
        shares[number] = min(most, max(1, left // (len(cut) - place)))
        left -= shares[number]
    return shares


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to standard output; a long one in parts, with a heading each. Print nothing if it has no rows."""
    screen = console()
    left = iter(rows)
    while part := list(islice(left, _PART)):
        screen.print(table(columns, part, width=screen.width))


def print_text(text: str) -> None:
    """Print text to standard output. Control characters are escaped; line ends are kept."""
    click.echo(clean(text, lines=True))


def print_json(data: Any) -> None:
    """Print one JSON document to standard output."""
    click.echo(json_text(data))


def print_json_list(items: Iterable[Any]) -> None:
    """Print values as one JSON list, a part at a time, so that a million take no memory. No number may be infinite, nor "not a number"."""
    left = iter(items)
    opening = "["
    while part := list(islice(left, _PART)):
        click.echo(opening + _json_text(part)[1:-2], nl=False)
        opening = ","
    click.echo("[]" if opening == "[" else "\n]")


def json_text(data: Any) -> str:
    """Return one JSON document. Unprintable characters are escaped, because a terminal might act on them."""
    return _json_text(_finite(data))


def _json_text(data: Any) -> str:
    try:
        compact = msgspec.json.encode(data)
    except (TypeError, ValueError, RecursionError):  # an integer of more than 64 bits, half of a surrogate pair
        return _any_json_text(data)
    if compact.isascii() and b"\x7f" not in compact:  # it escapes the other control characters of ASCII
        return msgspec.json.format(compact, indent=2).decode("ascii")
    return _any_json_text(data)


def _any_json_text(data: Any) -> str:
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    text = json.dumps(data, indent=2, ensure_ascii=encoding != "utf8", allow_nan=False)
    return re.sub(r"[^\n -~]", _json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]


def _finite(data: Any) -> Any:
    # JSON has no infinity and no "not a number".
    if isinstance(data, float):
        return data if math.isfinite(data) else str(data)
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, (list, tuple)) else data


def warn(text: str) -> None:
    """Print a warning to standard error."""
    click.echo(f"Warning: {clean(text, lines=True)}", err=True)
