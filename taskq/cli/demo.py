"""`taskq demo`: real jobs on real files, from the first push to a reload, without any setup."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from taskq.cli.demo_view import LineView, LiveView, opening, summary
from taskq.cli.options import debug_option
from taskq.cli.output import console, print_text
from taskq.config.urls import check_url
from taskq.errors import TaskqError
from taskq.tools.demo.files import Found, Selection, find_files, python_library
from taskq.tools.demo.place import scratch_place
from taskq.tools.demo.run import Run
from taskq.tools.scratch.worker import processors

__all__ = ["command"]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("demo", short_help="Watch jobs count every file of a folder.")
@click.argument("folder", required=False, type=_FOLDER)
@click.option("--processes", type=click.IntRange(1, 64), metavar="N", help="Worker processes. Default: one per processor, at least 2.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Count only the first N files.")
@click.option("--url", metavar="URL", help="Use this server, with a separate key prefix that is removed at the end.")
@debug_option
def command(folder: Path | None, processes: int | None, limit: int | None, url: str | None) -> int:
    """Count the bytes, lines and words of every file of FOLDER and hash it: one message per file, on a separate server.

    Some messages are delayed. One job fails on purpose: it is retried, moves to `failed`, and is reloaded once the cause is fixed.
    At the end, the demo checks its totals against a direct count and removes the server and its data. FOLDER is only read.

    FOLDER: by default, the standard library of the Python that runs taskq.
    """
    if url is not None:
        check_url(url)  # report an invalid URL before any work
    selection = Selection(folder.resolve()) if folder else python_library()
    found = _find(selection._replace(limit=limit or 0))
    number = processes or max(2, processors())
    view = (LiveView if sys.stdout.isatty() else LineView)(selection.folder)
    print_text(opening(selection, found, number))
    try:
        with scratch_place(url) as place, view:
            report = Run(place, found, number, view).play()
    except KeyboardInterrupt:
        print_text("\nStopped. The demo's server and data are removed.")
        raise
    print_text(summary(report, number))
    return 1 if report.check.problems else 0


def _find(selection: Selection) -> Found:
    with console().status("looking for files") as status:
        found = find_files(selection, lambda number: status.update(f"looking for files: {number:,}"))
    if not found.files:
        why = ", ".join(f"{number:,} {reason}" for reason, number in found.skipped.most_common())
        raise TaskqError(f"no readable files in {selection.folder}{f' ({why})' if why else ''}: choose a folder with files")
    return found
