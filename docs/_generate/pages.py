"""The generated parts and files: what makes each, and how they are read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from docs._generate.architecture import architecture_svg
from docs._generate.behaviours import behaviour_table
from docs._generate.commands import command_reference
from docs._generate.comparison import comparison
from docs._generate.errors import error_tree
from docs._generate.events import event_table
from docs._generate.guarantees import guarantee_page
from docs._generate.keys import key_table
from docs._generate.moves import move_table
from docs._generate.moves_svg import moves_svg
from docs._generate.settings import environment_table, settings_table
from taskq import events
from taskq.channel import MOVES, STATES, Keys
from taskq.cli.commands import COMMANDS, root
from taskq.config import field_docs
from taskq.errors import JobControl, JobTimeout, TaskqError

__all__ = ["DOCS", "FILES", "PARTS", "current", "outdated", "write"]

DOCS = Path(__file__).resolve().parents[1]

Maker = Callable[[], str]

#: The parts between comments, by the page that has them.
PARTS: dict[str, dict[str, Maker]] = {
    "../README.md": {"comparison": lambda: comparison((DOCS / "benchmarks.md").read_text(encoding="utf-8"))},
    "../tests/README.md": {
        "e2e": lambda: behaviour_table(DOCS.parent / "tests" / "e2e"),
        "faults": lambda: behaviour_table(DOCS.parent / "tests" / "faults"),
    },
    "api.md": {
        "events": lambda: event_table(events),
        "errors": lambda: "\n".join(error_tree(kind) for kind in (TaskqError, JobControl, JobTimeout)),
    },
    "cli.md": {"commands": lambda: command_reference(root, {name: listed.help for name, listed in COMMANDS.items()})},
    "message.md": {"moves": lambda: move_table(MOVES)},
    "settings.md": {
        "settings": lambda: settings_table(field_docs(), ""),
        "channel settings": lambda: settings_table(field_docs(), "channels.<name>"),
        "environment": lambda: environment_table(field_docs()),
    },
    "wire-format.md": {"keys": lambda: key_table(Keys("queue"))},
}
#: The files that are generated as a whole.
FILES: dict[str, Maker] = {
    "_static/architecture.svg": lambda: architecture_svg(DOCS.parent),
    "_static/moves.svg": lambda: moves_svg(MOVES, STATES),
    "guarantees-tested.md": lambda: guarantee_page(DOCS.parent / "tests"),
}


def current() -> Iterator[tuple[Path, str]]:
    """Yield each file that is generated, or has generated parts, with the text that it must have."""
    for name, parts in PARTS.items():
        path = (DOCS / name).resolve()
        text = path.read_text(encoding="utf-8")
        for part, make in parts.items():
            text = _replaced(text, part, make(), name)
        yield path, text
    for name, make in FILES.items():
        yield (DOCS / name).resolve(), make()


def _replaced(text: str, part: str, content: str, page: str) -> str:
    begin, end = f"<!-- generated: {part} -->", f"<!-- end of {part} -->"
    pattern = re.compile(f"^{re.escape(begin)}$.*?^{re.escape(end)}$", re.DOTALL | re.MULTILINE)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"docs/{page} must have one generated part between {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n\n{content}\n\n{end}", text)


def outdated() -> Iterator[str]:
    """Yield the names of the files that differ from what the code makes."""
    for path, text in current():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield str(path.relative_to(DOCS.parent))


def write() -> Iterator[str]:
    """Write what is out of date, and yield its names."""
    for path, text in current():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            yield str(path.relative_to(DOCS.parent))
