"""`taskq init`: create a starter settings file and jobs module."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from taskq.cli.options import debug_option
from taskq.cli.problems import NotThere
from taskq.config import FieldDoc, field_docs

__all__ = ["command", "settings_text"]

_JOBS = '''"""The jobs of this project. `python jobs.py` pushes some calls, `taskq worker` runs them."""

from __future__ import annotations

import taskq

queue = taskq.Queue()


@queue.job(max_attempts=3, retry_seconds=[1, 5])
def count_words(text: str) -> int:
    """Count the words of a text."""
    words = len(text.split())
    print(f"{words} words: {text}")
    return words


if __name__ == "__main__":
    first = count_words.push("a job is a function that runs later")
    second = count_words.push("this one starts in two seconds", delay=2)
    print(f"pushed {first.id} and {second.id}; run them with: taskq worker")
'''
_HEAD = """# Settings of taskq. `taskq config` shows the value and the source of each.
# Commented lines show the defaults: remove the "# " to change one.
"""
#: Shown for settings without a default.
_EXAMPLES = {"url": '"redis://localhost:6379/0"', "channel": '"queue"', "failed_ttl": "2592000"}
_APP = "jobs:queue"


@click.command("init", short_help="Create a starter taskq.toml and jobs.py.")
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False), default=Path())
@debug_option
def command(directory: Path) -> None:
    """Create taskq.toml and jobs.py in DIRECTORY (default: here). Existing files are never overwritten; exits with code 1 if one exists."""
    files = {directory / "taskq.toml": settings_text(), directory / "jobs.py": _JOBS}
    existing = [str(path) for path in files if path.exists() or path.is_symlink()]
    if _has_table(directory / "pyproject.toml"):
        existing.append(f"[tool.taskq] in {directory / 'pyproject.toml'}")
    if existing:
        raise NotThere(f"nothing written, these exist already: {', '.join(existing)}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            click.echo(f"wrote {path}")
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory} can't be written: {error.strerror}") from None
    where = "" if directory == Path() else f"cd {directory}\n  "
    click.echo(f"\nNext:\n  {where}python jobs.py\n  taskq worker          (Ctrl-C stops it)")


def _has_table(path: Path) -> bool:
    try:
        return "taskq" in tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError):
        return False


def settings_text() -> str:
    """Return a taskq.toml with the help and default of every setting. Only `app` is set."""
    docs = field_docs()
    top = [line for doc in docs if not doc.section for line in _lines(doc)]
    channel = [line for doc in docs if doc.section for line in _lines(doc)]
    about = "# Settings of the channel `default`. Add other channels the same way: [channels.mails]."
    return "\n".join([_HEAD, *top, about, "[channels.default]", "", *channel])


def _lines(doc: FieldDoc) -> Iterator[str]:
    if doc.key == "directory":
        return  # always the directory of this file
    yield from textwrap.wrap(doc.help, 98, initial_indent="# ", subsequent_indent="# ")
    if doc.key == "secret":
        yield "# Set the variable TASKQ_SECRET."
    elif doc.key == "app":
        yield f'app = "{_APP}"'
    else:
        yield f"# {doc.key} = {_EXAMPLES.get(doc.key, doc.default)}"
    yield ""
