"""`taskq doctor`: find problems that lose jobs or keep taskq from working, with advice."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import click

from taskq.cli.options import as_json, server_options
from taskq.cli.output import console, print_json
from taskq.cli.target import command_settings, open_queue
from taskq.cli.words import clean, count
from taskq.doctor.app import load
from taskq.doctor.examine import diagnose
from taskq.doctor.finding import Finding, Level

__all__ = ["command"]

_MARKS = {Level.GOOD: ("ok", "green"), Level.NOTE: ("note", "yellow"), Level.UNUSABLE: ("ERROR", "red"), Level.LOSES: ("LOSES", "red")}


@click.command("doctor", short_help="Check the server, the app and the channels, and advise.")
@as_json
@server_options
def command(as_json: bool, app: str | None, url: str | None) -> int:
    """Check the server, the app and every channel, and advise what to change and why. The command changes nothing.

    Exit code 1 if a problem can lose jobs, 2 if something can't be checked or used, otherwise 0.
    """
    settings = command_settings(app, url)
    loaded = load(partial(open_queue, app, url)) if settings.app is not None else None
    if loaded is not None and loaded.queue is not None:
        settings = loaded.queue.settings
    found = diagnose(settings, loaded)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found.findings)
    return found.exit_code


def _print(found: Iterable[Finding]) -> None:
    from rich.text import Text

    out = console()
    area = ""
    found = list(found)
    for finding in found:
        if finding.area != area:
            area = finding.area
            out.print(Text(f"\n{clean(area)}", style="bold"))
        mark, style = _MARKS[finding.level]
        out.print(Text.assemble("  ", (f"{mark:<6}", style), clean(finding.text)), soft_wrap=True)
        if finding.advice:
            out.print(Text(f"        -> {clean(finding.advice)}"), soft_wrap=True)
    out.print(Text(f"\n{_sum(found)}"))


def _sum(found: Iterable[Finding]) -> str:
    levels = [finding.level for finding in found]
    parts = [
        f"{count(levels.count(Level.LOSES), 'thing')} can lose jobs" if Level.LOSES in levels else "",
        f"{count(levels.count(Level.UNUSABLE), 'thing')} can't be used or checked" if Level.UNUSABLE in levels else "",
    ]
    return "; ".join(part for part in parts if part) or "No problem found that loses jobs."
