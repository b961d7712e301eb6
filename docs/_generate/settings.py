"""The settings reference as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from taskq.config import FieldDoc

__all__ = ["environment_table", "settings_table"]


def settings_table(fields: Iterable[FieldDoc], section: str) -> str:
    """Return one row for each setting of one section: its key, its purpose, its values and its default."""
    rows = [f"| `{one.key}` | {one.help} | {one.type} | {one.default} |" for one in fields if one.section == section]
    return "\n".join(["| Setting | Description | Value | Default |", "|---|---|---|---|", *rows])


def environment_table(fields: Iterable[FieldDoc]) -> str:
    """Return one row for each environment variable."""
    rows = [f"| `{one.variable}` | {_key(one)} |" for one in fields if one.variable]
    return "\n".join(["| Variable | Setting |", "|---|---|", *rows])


def _key(field: FieldDoc) -> str:
    return f"`{field.section}.{field.key}`" if field.section else f"`{field.key}`"
