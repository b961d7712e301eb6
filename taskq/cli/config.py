"""`taskq config`: show every setting and its source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from taskq.cli.options import as_json, server_options
from taskq.cli.output import Column, print_json, print_table
from taskq.cli.target import known_channels
from taskq.config import Settings, field_docs, mask_url
from taskq.driver.embedded import server as embedded
from taskq.driver.load import DEFAULT_URL
from taskq.inspector import Inspector

__all__ = ["command"]


@click.command("config", short_help="Show every setting and its source.")
@as_json
@server_options
def command(as_json: bool, app: str | None, url: str | None) -> None:
    """Show the value and the source of every setting. Secrets and passwords are hidden."""
    inspector = known_channels(app, url)
    lines = list(_lines(inspector))
    if as_json:
        print_json([{"setting": key, "value": value, "origin": origin} for key, value, origin in lines])
        return
    columns = [Column("SETTING", whole=True), Column("VALUE"), Column("FROM")]
    print_table(columns, ([key, _shown(key, value, inspector.settings), origin] for key, value, origin in lines))


def _lines(inspector: Inspector) -> Iterator[tuple[str, Any, str]]:
    """Yield key, value and origin of each setting, including channels that only jobs name."""
    settings = inspector.settings
    docs = field_docs()
    for doc in docs:
        if not doc.section:
            yield doc.key, _value(settings, doc.key), settings.origins.get(doc.key, "default")
    for name in dict.fromkeys([*settings.channels, *inspector.defined_channels(), *settings.patterns]):
        channel = settings.patterns[name] if name in settings.patterns else settings.channel_or_default(name)
        for doc in docs:
            if doc.section and not (name in settings.patterns and doc.key in ("channel", "driver")):  # which a pattern can't set
                path = f"channels.{name}.{doc.key}"
                yield path, getattr(channel, doc.key), settings.origins.get(path, "default")


def _value(settings: Settings, key: str) -> Any:
    if key == "secret":
        return f"({len(settings.secrets)} hidden)" if settings.secrets else None
    value = getattr(settings, key)
    if key == "url" and value is not None:
        return mask_url(value)
    return str(value) if isinstance(value, Path) else value


def _shown(key: str, value: Any, settings: Settings) -> str:
    if isinstance(value, tuple) and value:
        return ", ".join(map(_plain, value))
    if value not in (None, ()):
        return _plain(value)
    if key == "url":
        return f"(the embedded server in {settings.directory / '.taskq'})" if embedded.is_available() else f"({DEFAULT_URL})"
    return "(none)"


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
