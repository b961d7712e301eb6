"""Reads the README's quickstart: the files to write and the commands to type.

The quickstart is between `<!-- quickstart -->` and `<!-- /quickstart -->`. A code block whose first line is a comment with a file name
(`# jobs.py`) is that file. In a `console` block, a line with `$ ` is a command, and the lines below it are its output; `...` matches
anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Command", "Quickstart", "missing_lines", "read_quickstart"]

_PART = re.compile(r"<!-- quickstart -->(.*?)<!-- /quickstart -->", re.DOTALL)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w./-]+\.\w+)")


@dataclass
class Command:
    """One line to type, and its expected output."""

    line: str
    prints: list[str] = field(default_factory=list)


@dataclass
class Quickstart:
    """The files and commands of a newcomer."""

    files: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)


def read_quickstart(text: str) -> Quickstart:
    """Read the quickstart out of a page.

    Raises:
        ValueError: the page has no quickstart, or one without a file or a command.
    """
    part = _PART.search(text)
    if part is None:
        raise ValueError("there is no part between <!-- quickstart --> and <!-- /quickstart -->")
    found = Quickstart()
    for language, body in _BLOCK.findall(part[1]):
        if language == "console":
            found.commands += _commands(body)
        elif name := _FILE.match(body):
            found.files[name[1]] = body
    if not found.files or not found.commands:
        raise ValueError("the quickstart has no file (first line `# jobs.py`) or no command (`$ ` in a console block)")
    return found


def _commands(body: str) -> list[Command]:
    commands: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line.removeprefix("$ ")))
        elif line.strip() and commands:
            commands[-1].prints.append(line.strip())
    return commands


def missing_lines(expected: list[str], output: str) -> list[str]:
    """Return the expected lines that the output lacks, in any order."""
    return [line for line in expected if not re.search(re.escape(line).replace(re.escape("..."), ".*"), output)]
