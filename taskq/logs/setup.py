"""Sets up logging in the processes of a worker: taskq's own log on standard error, that of a file, or that of the app."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from taskq.errors import ConfigError
from taskq.logs.job_filter import JobFilter
from taskq.logs.records import JsonFormatter, OutputHandler, TextFormatter
from taskq.shadowing import project_modules

__all__ = ["before_import", "keep_enabled", "set_up_again", "set_up_logging"]

_log = logging.getLogger("taskq.zygote")
#: All loggers of taskq.
_NAMES = ("taskq", "taskq.app", "taskq.contrib", "taskq.driver", "taskq.events", "taskq.supervisor", "taskq.worker", "taskq.zygote")
_INSTALLED_ONLY = "The supervisor uses the file, too, and never imports the app: name only classes of installed packages"


class _Enabled:
    """A logger that can't be disabled."""

    @property
    def disabled(self) -> bool:
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass


def keep_enabled() -> None:
    """Let no logging configuration disable the loggers of taskq: by default, `dictConfig` disables all loggers that it doesn't name.

    It may be called at the import of the app, in a hook, or in a job.
    """
    for name in _NAMES:
        logger: Any = logging.getLogger(name)
        kind = type(logger)
        if not issubclass(kind, _Enabled):
            logger.__class__ = type(kind.__name__, (_Enabled, kind), {})


def set_up_logging(level: str, form: str | logging.Formatter, config: str | None = None) -> list[logging.Handler]:
    """Send every record of that level and above to standard error. Return the handlers of other outputs that this has replaced.

    Args:
        level: of all loggers that have none.
        form: "text", "json", or a formatter.
        config: a file with the handlers to use instead, as in `logging.config.dictConfig`. The level is then that of taskq's loggers.

    Raises:
        ConfigError: the file can't be read, or contains no configuration.
    """
    keep_enabled()
    # An object that replaces standard error may have no descriptor to write to.
    stream = sys.stderr
    handler = OutputHandler(stream) if type(stream) is io.TextIOWrapper else logging.StreamHandler(stream)
    handler.setFormatter(form if isinstance(form, logging.Formatter) else JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(JobFilter())
    # For loggers without a handler: a hook or a job may remove that of the root.
    logging.lastResort = handler
    logging.disable(logging.NOTSET)
    root = logging.getLogger()
    replaced = [one for one in root.handlers if not _is_on_console(one)]
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    own = logging.getLogger("taskq")
    if own.level == logging.NOTSET:
        own.setLevel(level.upper())  # the app may change the level of the root at any time
    if config is not None:
        root.handlers.clear()
        _apply(config)
        return []
    for logger in _propagating():
        logger.handlers[:] = [one for one in logger.handlers if not _is_on_console(one)]  # they would print each line twice
    return replaced


def before_import(*, keep: bool) -> None:
    """Let the app configure logging as in its own process: `basicConfig` does nothing if the root has a handler."""
    root = logging.getLogger()
    for handler in root.handlers:
        handler.close()  # those of the supervisor, in the zygote's copy
    root.handlers.clear()
    if keep:
        root.setLevel(logging.WARNING)


def set_up_again(level: str, form: str | logging.Formatter, config: str | None, *, keep: bool) -> None:
    """Set up logging after the import of the app, which may have set up its own.

    Args:
        level: as for `set_up_logging`.
        form: the same.
        config: the same.
        keep: keep what the app has set up, if that includes a handler for taskq's records.
    """
    if keep and logging.getLogger("taskq").hasHandlers():
        keep_enabled()
        return
    replaced = set_up_logging(level, form, config)
    if replaced:
        text = "log handlers of the app were replaced: %s. Keep them with --keep-logging, or configure the log with --log-config"
        _log.warning(text, ", ".join(map(repr, replaced)))


def _is_on_console(handler: logging.Handler) -> bool:
    if isinstance(handler, OutputHandler):
        return True
    console = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler, logging.StreamHandler) and any(handler.stream is one for one in console)


def _propagating() -> Iterator[logging.Logger]:
    """Yield the loggers whose records reach the handlers of the root."""
    for found in list(logging.root.manager.loggerDict.values()):
        logger: logging.Logger | None = found if isinstance(found, logging.Logger) else None
        while logger is not None and logger.propagate and logger.parent is not logging.root:
            logger = logger.parent
        if logger is not None and logger.propagate and isinstance(found, logging.Logger):
            yield found


def _apply(path: str) -> None:
    import logging.config  # few workers need it

    config, loaded = _read(path), project_modules()
    try:
        logging.config.dictConfig({"disable_existing_loggers": False, **config})
    except Exception as error:  # the handlers and formatters in it may raise anything
        text = f"log configuration {path}: {error}"
        if error.__cause__ is not None:
            text += f": {error.__cause__}"
        if "annot resolve" in text:
            text += f". {_INSTALLED_ONLY}"
        raise ConfigError(text) from error
    # The zygote would find such a module loaded, and a rolling restart would run its old code.
    if found := project_modules() - loaded:
        raise ConfigError(f"log configuration {path}: it imports {', '.join(sorted(found))}. {_INSTALLED_ONLY}")


def _read(path: str) -> dict[str, Any]:
    import json
    import tomllib

    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"log configuration {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        config = json.loads(text) if path.endswith(".json") else tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"log configuration {path}: not valid {'JSON' if path.endswith('.json') else 'TOML'}: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"log configuration {path}: must be an object as for logging.config.dictConfig; got {type(config).__name__}")
    return config
