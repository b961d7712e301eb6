"""One table of the fields, made from the structures: values are checked with it, and the settings reference is made from it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from taskq.clock import MAX_DELAY
from taskq.config.problem import shown
from taskq.config.structures import ChannelSettings, Settings
from taskq.config.urls import mask_url
from taskq.config.values import SIZE, Kind, size_text
from taskq.errors import ConfigError

__all__ = ["CHANNEL_SECTION", "Field", "FieldDoc", "channel_fields", "field_docs", "top_fields"]

#: The section of a channel's settings, as a heading.
CHANNEL_SECTION = "channels.<name>"

_COMPUTED = ("name", "channels", "origins")
#: Defaults that a value can't say.
_DEFAULT_TEXTS = {
    "app": "none: named on the command line",
    "url": "an embedded server, when the extra `embedded` is installed; else redis://localhost:6379/0",
    "secret": "none: messages are not signed",
    "directory": "where the settings file is, or the working directory",
    "channel": 'the name of the channel; for `default` it is "queue"',
    "failed_ttl": "2592000 (30 days)",
}


class Field(NamedTuple):
    """One setting: the attribute that holds it, the key that sets it, and what it takes."""

    attribute: str
    key: str
    type: Any
    default: Any
    expects: str
    help: str
    kind: Kind | None

    def read(self, raw: object, *, text: bool, place: str) -> Any:
        """Return the checked value of what was written at `place`; `text` says that it is an environment variable.

        Raises:
            ConfigError: it is not what the setting expects.
        """
        kind = self.kind or Kind("")
        try:
            if text and raw == "":
                raise ValueError("it is set but empty")
            reader = (text and kind.read_text) or kind.read
            value = reader(raw) if reader else raw
            return value if isinstance(value, Path) else msgspec.convert(value, self.type, strict=not text)
        except msgspec.ValidationError:
            reason = f"got {_safely(raw)}"
        except ValueError as error:
            reason = f"got {_safely(raw)}: {error}" if kind.public else str(error)
        # Raised outside the handler: the cause would repeat the value.
        raise ConfigError(f"{place}: expected {self.expects}; {reason}")


def _safely(raw: object) -> str:
    # A URL may stand at the wrong key, and its password with it.
    return shown(mask_url(raw) if isinstance(raw, str) else raw)


class FieldDoc(NamedTuple):
    """One line of the settings reference. `section` is "" at the top, `variable` is "" where the environment has none."""

    section: str
    key: str
    type: str
    default: str
    help: str
    variable: str


def _flat(annotation: Any) -> tuple[Any, dict[str, Any], Kind | None]:
    """Return the bare type of an annotation, the bounds and texts of its Metas, and its kind."""
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
    """Return in words what a field takes."""
    if get_origin(bare) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(bare))
    words = kind.words if kind else {int: "a whole number", str: "a text"}[bare]
    low, high = facts.get("ge"), facts.get("le")
    if low is None or (kind is SIZE and low == 0):
        return words
    if high is None:
        return f"{words}, at least {low:g}"
    return f"{words} from {low:g} to ten years" if high == MAX_DELAY else f"{words} from {low} to {high}"


def _field(info: msgspec.structs.FieldInfo) -> Field:
    bare, facts, kind = _flat(info.type)
    key = "secret" if info.name == "secrets" else info.name
    # `str | None`: only the absence of the setting is None, so None is no value that can be written.
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
    """The settings that belong to no channel, by key."""
    return _table(Settings)


@cache
def channel_fields() -> dict[str, Field]:
    """The settings of a channel, by key."""
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
