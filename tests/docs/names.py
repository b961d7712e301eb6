"""What a page may name: commands of taskq with their options, public names of the package, variables, and texts of errors."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache

import click

from taskq.cli.commands import root
from taskq.config.environment import environment_entries
from taskq.errors import ConfigError
from taskq.jobs.hooks import Resources
from tests.support.worker import ROOT

__all__ = ["error_texts", "problem_of_command", "problem_of_name", "problem_of_variable"]


def problem_of_command(words: str) -> str | None:
    """Return what is wrong with the arguments of a command of taskq, or None. Only its name and its options are looked at."""
    try:
        args = shlex.split(words)
    except ValueError as error:
        return str(error)
    command: click.Command = root
    with root.make_context("taskq", [], resilient_parsing=True) as context:
        while isinstance(command, click.Group) and args and not args[0].startswith("-"):
            if args[0].isupper():  # COMMAND stands for any
                return None
            found = command.get_command(context, args[0])
            if found is None:
                return f"there is no command {args[0]!r}"
            command, args = found, args[1:]
        try:
            command.make_parser(click.Context(command)).parse_args(list(args))
        except click.UsageError as error:
            return None if isinstance(error, click.exceptions.BadArgumentUsage) else error.format_message()
    return None


def problem_of_name(name: str) -> str | None:
    """Return what is wrong with a dotted name below taskq, such as `taskq.contrib.listeners.reload_timeouts`, or None."""
    parts = name.split(".")
    found: object = importlib.import_module("taskq")
    for number, part in enumerate(parts[1:], 2):
        if isinstance(found, Resources):  # has what an application puts in
            break
        if not hasattr(found, part):
            try:
                importlib.import_module(".".join(parts[:number]))
            except ImportError:
                return f"there is no {'.'.join(parts[:number])}"
        found = getattr(found, part)
    return None


def problem_of_variable(name: str) -> str | None:
    """Return what is wrong with the name of an environment variable of taskq, or None."""
    try:
        list(environment_entries({name: "1"}, ["default"]))
    except ConfigError as error:
        return str(error)
    return None


@cache
def error_texts() -> tuple[str, ...]:
    """Return every text in the code of taskq, with … for each value that is put in."""
    return tuple(text for path in (ROOT / "taskq").rglob("*.py") for text in _texts(ast.parse(path.read_text(encoding="utf-8"))))


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[sdg]|%\.\d+f", "…", node.value)
