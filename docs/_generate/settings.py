"""The settings reference as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from taskq.config import FieldDoc

__all__ = ["environment_table", "settings_text"]


def settings_text(fields: Iterable[FieldDoc], section: str) -> str:
    """Return an entry for each setting of one section: its key, what it takes, its default, its variable and what it does."""
    return "\n\n".join(_entry(field) for field in fields if field.section == section)


def environment_table(fields: Iterable[FieldDoc]) -> str:
    """Return one row for each environment variable."""
    rows = [f"| `{field.variable}` | {_key(field)} |" for field in fields if field.variable]
    return "\n".join(["| Variable | Setting |", "|---|---|", *rows])


def _key(field: FieldDoc) -> str:
    return f"`{field.section}.{field.key}`" if field.section else f"`{field.key}`"


def _entry(field: FieldDoc) -> str:
    facts = [field.help, f"Takes: {field.type}", f"Default: {field.default}"]
    if field.variable:
        facts.append(f"Environment: `{field.variable}`")
    first, *rest = facts
    # A definition list: the setting is the term, so each has a heading of its own and a place to link to.
    lines = [f"({_anchor(field)})=", f"`{field.key}`", f": {first}", "", *(f"  - {fact}" for fact in rest)]
    return "\n".join(lines)


def _anchor(field: FieldDoc) -> str:
    return "-".join(["setting", *([field.section.split(".")[0]] if field.section else []), field.key]).replace("_", "-")
