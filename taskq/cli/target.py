"""From the options to a queue, or to an inspector of its channels."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from taskq.app import load_app
from taskq.cli.output import warn
from taskq.cli.problems import NotThere
from taskq.config import Settings, load_settings
from taskq.driver.load import is_unstarted
from taskq.errors import AppError, ConfigError
from taskq.queue import Queue

if TYPE_CHECKING:
    from taskq.inspector import Inspector

__all__ = ["app_name", "command_settings", "given_app", "known_channels", "open_inspector", "open_queue"]

_QUEUE = re.compile(r"^(\w+)\s*(?::[^=\n]*)?=\s*(?:\w+\.)?Queue\(", re.MULTILINE)
_PLACES = ("*.py", "*/jobs.py", "*/tasks.py", "*/app.py")


def given_app(argument: str | None, option: str | None) -> str | None:
    """Return the app that the argument APP or the option --app names; None if neither is given.

    Raises:
        ConfigError: they differ.
    """
    if argument and option and argument != option:
        raise ConfigError(f"APP ({argument}) and --app ({option}) differ: give only one")
    return argument or option


def command_settings(app: str | None, url: str | None, imports: Sequence[str] = ()) -> Settings:
    """Read the settings, the options of the command line among them.

    Raises:
        ConfigError: a setting or an option is wrong.
    """
    settings = load_settings({"app": app, "url": url, "imports": list(imports) or None}, argument_name="command line")
    for name in filter(None, (app, *imports)):
        if name in settings.channels and not _is_module(name):  # as in `rq worker NAME`
            raise ConfigError(f"{name!r} is a channel, not a module: write --channel {name}")
    return settings


def _is_module(name: str) -> bool:
    return bool(list(Path().glob(f"{name}*"))) or (name.isidentifier() and find_spec(name) is not None)


def app_name(settings: Settings) -> str:
    """Return the name of the app, and make it importable.

    Raises:
        ConfigError: no app is given; the text explains how, and names the most likely one.
    """
    if settings.app is None:
        raise ConfigError(
            "no app given: pass it as an argument (taskq worker shop.jobs:queue; other commands: --app shop.jobs:queue), "
            f'or set app = "shop.jobs:queue" in taskq.toml{_guess()}'
        )
    if settings.origins["app"] != "command line":
        # The app of the settings file is imported from the file's directory, even if taskq runs in a subdirectory.
        _put_on_path(settings.directory)
    return settings.app


def open_queue(app: str | None, url: str | None) -> Queue:
    """Load the app and return its queue.

    Raises:
        AppError: it can't be loaded.
        ConfigError: no app is given, or a setting is wrong.
    """
    return _load(command_settings(app, url), url)


def open_inspector(app: str | None, url: str | None) -> Inspector:
    """Return an inspector of the app's queue. Without an app, or if it can't be imported, the inspector uses the settings alone.

    Raises:
        ConfigError: a setting is wrong.
        NotThere: the settings mean the embedded server, which has never run. Read-only commands don't start it.
    """
    inspector = known_channels(app, url)
    if is_unstarted(inspector.settings):
        raise NotThere("the embedded server isn't running, so the queue is empty. The first push or worker starts it")
    return inspector


def known_channels(app: str | None, url: str | None) -> Inspector:
    """As `open_inspector`, for commands that don't contact the server.

    Raises:
        ConfigError: a setting is wrong.
    """
    from taskq.inspector import Inspector  # the worker's command, which uses this file too, never loads the read side

    settings = command_settings(app, url)
    if settings.app is not None:
        try:
            return Inspector(_load(settings, url))
        except AppError as error:
            warn(f"the app can't be loaded, so only the settings are used: {error}")
    return Inspector(settings)


def _load(settings: Settings, url: str | None) -> Queue:
    # The output of an import must not mix with the output of a command.
    with redirect_stdout(sys.stderr):
        queue = load_app(app_name(settings), refuse_pushes=True)
    if url is not None and settings.url is not None:
        queue.use_url(settings.url, "command line")
    return queue


def _put_on_path(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def _guess() -> str:
    """Return a hint at the queue below the working directory, if there is exactly one."""
    found = []
    for pattern in _PLACES:
        for path in sorted(Path().glob(pattern))[:50]:
            match = _QUEUE.search(_text(path))
            if match and all(part.isidentifier() for part in path.with_suffix("").parts):
                found.append(f"{'.'.join(path.with_suffix('').parts)}:{match[1]}")
    return f".\nFound here: {found[0]}" if len(found) == 1 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size < 1_000_000 else ""
    except OSError:
        return ""
