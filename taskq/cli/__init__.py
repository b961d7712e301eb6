"""The command line: `taskq`. Each command has its own file, which is imported only when the command is used.

words       numbers, durations and foreign text as a person reads them
output      standard output: tables, JSON, and text that can't harm a terminal
progress    bars for what takes longer than a second
mistakes    from a mistake in options or arguments to a text with the remedy
problems    from an error to a message and an exit code
options     options that several commands have
target      from the options to a queue, or to an inspector of its channels
commands    the table of the commands, and the group that reads it

Each of these imports only from those above it, and a command from any of them.
"""

from __future__ import annotations

from taskq.cli.commands import main, root

__all__ = ["main", "root"]
