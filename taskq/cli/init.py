"""`taskq init`: a settings file and a jobs module to begin with."""

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
_HEAD = """# Settings of taskq. `taskq config` shows the value of each, and where it comes from.
# A line that begins with "# " and a name shows a setting's default: take the "# " away to change it.
"""
#: Shown for settings whose default is no value.
_EXAMPLES = {"url": '"redis://localhost:6379/0"', "channel": '"queue"', "failed_ttl": "2592000"}
_APP = "jobs:queue"


@click.command("init", short_help="Write a settings file and a jobs module to begin with.")
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False), default=Path())
@debug_option
def command(directory: Path) -> None:
    """Write taskq.toml and jobs.py to DIRECTORY (default: here). What exists is never overwritten; exit code 1 then."""
    files = {directory / "taskq.toml": settings_text(), directory / "jobs.py": _JOBS}
    existing = [str(path) for path in files if path.exists() or path.is_symlink()]
    if _has_table(directory / "pyproject.toml"):
        existing.append(f"[tool.taskq] in {directory / 'pyproject.toml'}")
    if existing:
        raise NotThere(f"nothing was written, for this exists already: {', '.join(existing)}")
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
    """Return a taskq.toml in which every setting stands with its help and default, `app` alone being set."""
    docs = field_docs()
    top = [line for doc in docs if not doc.section for line in _lines(doc)]
    channel = [line for doc in docs if doc.section for line in _lines(doc)]
    about = "# The settings of a channel. Another one is written the same way, as in [channels.mails]."
    return "\n".join([_HEAD, *top, about, "[channels.default]", "", *channel])


def _lines(doc: FieldDoc) -> Iterator[str]:
    if doc.key == "directory":
        return  # it is where this file is
    yield from textwrap.wrap(doc.help, 98, initial_indent="# ", subsequent_indent="# ")
    if doc.key == "secret":
        yield "# Set the variable TASKQ_SECRET."
    elif doc.key == "app":
        yield f'app = "{_APP}"'
    else:
        yield f"# {doc.key} = {_EXAMPLES.get(doc.key, doc.default)}"
    yield ""
