"""Reads the pages of the documentation: their code blocks, their commands, and the names they speak of.

How a block is written says how it is tested:

| block | what is done |
|---|---|
| `python` | compiled; on a page that is a walk it is run, with the names of its `jobs.py` |
| `py` | compiled only |
| first line `# name.ext` | on a walk it is that file |
| `text` behind `python` | on a walk: what that prints |
| `console` | a line with `$ ` is a command, the lines below are what it prints; on a walk it is run |
| `toml` | read as `taskq.toml` (or as what its first line names) |
| `sh`, `ini`, `yaml`, `dockerfile` | commands of taskq in it must exist, with their options |

A page with the line `% walk` or `<!-- walk -->` is a walk: its blocks are run from top to bottom in one folder. In the expected output,
`...` matches anything and white space is ignored. The word ID in a command is replaced by the id of the last message that was printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.worker import ROOT

__all__ = ["DOCS", "Block", "Command", "Page", "commands", "pages", "taskq_commands"]

DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w./-]+\.\w+)$", re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
#: A command ends where the shell takes over.
_TASKQ = re.compile(r"(?<![\w./:@{-])(?:\S*/bin/)?taskq(?![\w./:-])((?: +(?:'[^']*'|\"[^\"]*\"|[^\s|;&<>()'\"`]+))*)")


class Block(NamedTuple):
    """A code block."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that the block is, or None."""
        match = _FILE.match(self.text)
        return match[1] if match else None


class Command(NamedTuple):
    """A line to type, and the lines that it is said to print."""

    line: str
    prints: list[str]


class Page(NamedTuple):
    """One page."""

    path: Path

    @property
    def name(self) -> str:
        """Its path below docs/."""
        return str(self.path.relative_to(DOCS))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def is_walk(self) -> bool:
        return "\n% walk\n" in self.text or "\n<!-- walk -->\n" in self.text

    def blocks(self, *languages: str) -> list[Block]:
        """Return the code blocks, of these languages or all, in order."""
        found = (Block(match[1], match[2], self.text.count("\n", 0, match.start()) + 1) for match in _BLOCK.finditer(self.text))
        return [block for block in found if not languages or block.language in languages]

    def spans(self) -> Iterator[str]:
        """Yield what stands in single backticks outside code blocks."""
        for match in _SPAN.finditer(_BLOCK.sub("", self.text)):
            yield match[1]


def pages() -> list[Page]:
    """Return all pages."""
    return [Page(path) for path in sorted(DOCS.rglob("*.md"))]


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block."""
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line.removeprefix("$ "), []))
        elif line.strip() and found:
            found[-1].prints.append(line)
    return found


def taskq_commands(text: str) -> Iterator[str]:
    """Yield the arguments of every command of taskq in a text."""
    for match in _TASKQ.finditer(re.sub(r" #.*$", "", text, flags=re.MULTILINE)):
        yield match[1].strip()
