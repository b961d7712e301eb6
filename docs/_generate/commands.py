"""The command line as Markdown: for each command its usage, its help and a table of its options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping

import click

__all__ = ["command_reference"]

#: In click's help texts this character keeps the lines of the next paragraph as they are.
_VERBATIM = "\b"


def command_reference(root: click.Group, helps: Mapping[str, str]) -> str:
    """Return a table of all commands (`helps`: a line for each), and a section for each command and subcommand."""
    with root.make_context("taskq", [], resilient_parsing=True) as context:
        commands = [(name, root.get_command(context, name)) for name in root.list_commands(context)]
        sections = [section for name, command in commands if command for section in _sections(f"taskq {name}", command, "##")]
    rows = [f"| [`taskq {name}`](#taskq-{name}) | {line} |" for name, line in helps.items()]
    return "\n\n".join(["\n".join(["| Command | Purpose |", "|---|---|", *rows]), *sections])


def _sections(name: str, command: click.Command, heading: str) -> Iterator[str]:
    usage = [name, *(["[OPTIONS]"] if _options(command) else []), *(_argument(one) for one in _arguments(command))]
    if isinstance(command, click.Group):
        usage.append("COMMAND")
    parts = [f"{heading} `{name}`", f"```text\n{' '.join(usage)}\n```", *_paragraphs(command.help or ""), _option_table(command)]
    yield "\n\n".join(filter(None, parts))
    if isinstance(command, click.Group):
        for sub, below in command.commands.items():
            yield from _sections(f"{name} {sub}", below, heading + "#")


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith(_VERBATIM):
            yield f"```sh\n{inspect.cleandoc(paragraph.removeprefix(_VERBATIM).lstrip(chr(10)))}\n```"
        else:
            yield paragraph.replace("\n", " ").strip()


def _arguments(command: click.Command) -> list[click.Argument]:
    return [one for one in command.params if isinstance(one, click.Argument)]


def _argument(argument: click.Argument) -> str:
    name = (argument.metavar or (argument.name or "").upper()).strip("[].")
    name = name if argument.required else f"[{name}]"
    return f"{name}..." if argument.nargs == -1 else name


def _options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


def _option_table(command: click.Command) -> str:
    rows = [f"| {_names(option)} | {_description(option)} |" for option in _options(command)]
    return "\n".join(["| Option | Description |", "|---|---|", *rows]) if rows else ""


def _names(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or (option.name or '').upper().rpartition('_')[2]}"
    return ", ".join(f"`{name}{value}`" for name in [*option.opts, *option.secondary_opts])


def _description(option: click.Option) -> str:
    facts = [(option.help or "").strip()]
    if isinstance(option.type, click.Choice):
        facts.append("One of " + ", ".join(f"`{choice}`" for choice in option.type.choices) + ".")
    elif isinstance(option.type, click.IntRange | click.FloatRange):
        facts.append(_range(option.type.min, option.type.max))
    if option.show_default is True and isinstance(option.default, str | int | float) and not isinstance(option.default, bool):
        default = f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
        facts.append(f"Default: `{default}`.")
    return re.sub(r"\s+", " ", " ".join(filter(None, facts))).replace("|", "\\|")


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"Range: {least:g} to {most:,.10g}."
    if least is not None:
        return f"Minimum: {least:g}." if least else ""
    return "" if most is None else f"Maximum: {most:g}."
