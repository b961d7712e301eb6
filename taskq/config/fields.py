"""A table of all settings, made from the structures. It checks values, and the settings reference is generated from it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from taskq.clock import MAX_DELAY
from taskq.config.structures import ChannelSettings, Settings
from taskq.config.suggestions import shown
from taskq.config.urls import mask_url
from taskq.config.values import SIZE, Kind, size_text
from taskq.errors import ConfigError

__all__ = ["CHANNEL_SECTION", "Field", "FieldDoc", "channel_fields", "field_docs", "top_fields"]

#: The section of a channel's settings, as a heading.
CHANNEL_SECTION = "channels.<name>"

_COMPUTED = ("name", "channels", "patterns", "origins")
#: Descriptions of defaults that are not fixed values.
_DEFAULT_TEXTS = {
    "app": "none (given on the command line)",
    "imports": "[]",
    "url": "the embedded server if the extra `embedded` is installed, otherwise redis://localhost:6379/0",
    "secret": "none (messages are not signed)",
    "directory": "the directory of the settings file, or the working directory without one",
    "channel": 'the name of the channel ("queue" for `default`)',
    "failed_ttl": "2592000 (30 days)",
}


class Field(NamedTuple):
    """One setting: its attribute, its key, and the values that it takes."""

    attribute: str
    key: str
    type: Any
    default: Any
    expects: str
    help: str
    kind: Kind | None

    def read(self, raw: object, *, text: bool, place: str) -> Any:
        """Return the checked value of what was written at `place`. `text` is True for an environment variable.

        Raises:
            ConfigError: the value is not valid for the setting.
        """
        kind = self.kind or Kind("")
        try:
            if text and raw == "":
                raise ValueError("the variable is empty")
            reader = (text and kind.read_text) or kind.read
            value = reader(raw) if reader else raw
            return value if isinstance(value, Path) else msgspec.convert(value, self.type, strict=not text)
        except msgspec.ValidationError:
            reason = f"got {_safely(raw)}"
        except ValueError as error:
            reason = f"got {_safely(raw)}: {error}" if kind.public else str(error)
        # Raised outside the handler: the cause would repeat the value, which may be secret.
        raise ConfigError(f"{place}: expected {self.expects}; {reason}")


def _safely(raw: object) -> str:
    # A URL may be set at the wrong key, with its password.
    return shown(mask_url(raw) if isinstance(raw, str) else raw)


class FieldDoc(NamedTuple):
    """One entry of the settings reference. `section` is "" for the top level, `variable` is "" without an environment variable."""

    section: str
    key: str
    type: str
    default: str
    help: str
    variable: str


def _flat(annotation: Any) -> tuple[Any, dict[str, Any], Kind | None]:
    """Return the bare type of an annotation, the bounds and descriptions of its Metas, and its kind."""
    facts: dict[str, Any] = {}
    kind: Kind | None = None
    while get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        for extra in extras:
            if isinstance(extra, Kind):
                kind = extra
            else:
                facts |= {name: value for name in ("ge", "le", "description") if (value := getattr(extra, name)) is not None}
    return annotation, facts, kind


def _expectation(bare: Any, facts: Mapping[str, Any], kind: Kind | None) -> str:
    """Return a description of the values that a field takes."""
    if get_origin(bare) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(bare))
    words = kind.words if kind else {int: "an integer", str: "a string"}[bare]
    low, high = facts.get("ge"), facts.get("le")
    if low is None or (kind is SIZE and low == 0):
        return words
    if high is None:
        return f"{words}, at least {low:g}"
    return f"{words} from {low:g} to ten years" if high == MAX_DELAY else f"{words} from {low} to {high}"


def _field(info: msgspec.structs.FieldInfo) -> Field:
    bare, facts, kind = _flat(info.type)
    key = "secret" if info.name == "secrets" else info.name
    # `str | None`: None means that the setting is absent, so it can't be written as a value.
    if get_origin(bare) in (Union, types.UnionType) and type(None) in get_args(bare):
        info_type, bare = str, str
    else:
        info_type = info.type
    return Field(info.name, key, info_type, info.default, _expectation(bare, facts, kind), facts["description"], kind)


def _table(structure: type[msgspec.Struct]) -> dict[str, Field]:
    fields = (_field(info) for info in msgspec.structs.fields(structure) if info.name not in _COMPUTED)
    return {field.key: field for field in fields}


@cache
def top_fields() -> dict[str, Field]:
    """Return the top-level settings, by key."""
    return _table(Settings)


@cache
def channel_fields() -> dict[str, Field]:
    """Return the settings of a channel, by key."""
    return _table(ChannelSettings)


def _default_text(field: Field) -> str:
    if field.key in _DEFAULT_TEXTS:
        return _DEFAULT_TEXTS[field.key]
    if isinstance(field.default, str):
        return f'"{field.default}"'
    return f'"{size_text(field.default)}"' if field.kind is SIZE else f"{field.default:g}"


def field_docs() -> list[FieldDoc]:
    """Return every setting with its type, default, help text and environment variable, in the order of the structures."""
    docs = [
        FieldDoc("", f.key, f.expects, _default_text(f), f.help, "" if f.key == "directory" else f"TASKQ_{f.key.upper()}")
        for f in top_fields().values()
    ]
    docs += [
        FieldDoc(CHANNEL_SECTION, f.key, f.expects, _default_text(f), f.help, f"TASKQ_CHANNELS__<NAME>__{f.key.upper()}")
        for f in channel_fields().values()
    ]
    return docs
