"""Read values as the user wrote them (text, number, list). Each reader raises ValueError with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from taskq.channel import check_channel_name
from taskq.config.durations import seconds_from
from taskq.config.suggestions import nearest
from taskq.config.urls import check_url
from taskq.errors import ConfigError

__all__ = ["APP", "DIRECTORY", "DRIVER", "IMPORTS", "INTERVALS", "PREFIX", "SECONDS", "SECRETS", "SIZE", "URL", "Kind", "size_text"]

_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)"


class Kind(NamedTuple):
    """A kind of value: its description, and the functions that read it.

    `read` takes the value as written, `read_text` the text of an environment variable. Without them, only the type of the value
    is checked. A value of a kind that is not `public` is never shown in an error.
    """

    words: str
    read: Callable[[object], object] | None = None
    read_text: Callable[[object], object] | None = None
    public: bool = True


def _read_size(raw: object) -> object:
    if not isinstance(raw, str):
        return raw
    match = re.fullmatch(_SIZE, raw.strip())
    if match is None:
        raise ValueError("not a size")
    number, unit = match[1], match[2].lower()
    if not unit:
        return int(number) if number.isdigit() else float(number)
    if unit not in _UNITS:
        raise ValueError(f'unknown unit "{match[2]}": use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB')
    return round(float(number) * _UNITS[unit]) if "." in number else int(number) * _UNITS[unit]


def size_text(size: int) -> str:
    """Return a number of bytes in the largest binary unit that divides it, such as "64MiB"."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _UNITS[unit.lower()] == 0:
            return f"{size // _UNITS[unit.lower()]}{unit}"
    return str(size)


def _read_seconds(raw: object) -> object:
    return seconds_from(raw) if isinstance(raw, str) else raw


def _read_intervals(raw: object) -> object:
    """Read durations: one, or a list of them."""
    return [_read_seconds(one) for one in raw] if isinstance(raw, (list, tuple)) else _read_seconds(raw)


def _read_intervals_text(raw: object) -> object:
    """Read durations from a text: "5", "1s,5s,30s" or "[1, 5, 30]"."""
    text = str(raw)
    if not text.lstrip().startswith("["):
        return [seconds_from(part) for part in text.split(",")] if "," in text else seconds_from(text)
    try:
        return _read_intervals(msgspec.json.decode(text))
    except msgspec.DecodeError:
        raise ValueError("not a list of durations") from None


def _read_prefix(raw: object) -> object:
    if isinstance(raw, str):
        try:
            check_channel_name(raw)
        except ConfigError:
            raise ValueError("not a valid key prefix") from None
    return raw


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _module_of(path: str) -> str:
    """Return the name of the module in a file, as an import from the working directory or its folder `src`."""
    return Path(path).stem if path.startswith("/") else path.removeprefix("./").removeprefix("src/").removesuffix(".py").replace("/", ".")


def _read_app(raw: object) -> object:
    if isinstance(raw, str):
        module, colon, name = raw.partition(":")
        if module.endswith(".py") or "/" in module:
            found = _module_of(module)
            if not _is_dotted(found):
                raise ValueError(f"that is a file path, and {found} is not a module name: rename the file")
            raise ValueError(f"that is a file path; give the module name instead: {found}")
        if not _is_dotted(module) or (colon and not _is_dotted(name)):
            raise ValueError("not a module name")
    return raw


def _read_imports(raw: object) -> object:
    """Read modules and patterns from a list of texts, or from one text, separated by commas or white space."""
    if isinstance(raw, str):
        names = tuple(filter(None, re.split(r"[,\s]+", raw)))
    elif isinstance(raw, Sequence) and all(isinstance(name, str) for name in raw):
        names = tuple(raw)
    else:
        return raw
    for name in names:
        _check_import(name)
    return names


def _check_import(name: str) -> None:
    if name.endswith(".py") or "/" in name:
        raise ValueError(f"{name} is a file path; give the module name instead: {_module_of(name)}")
    if ":" in name:
        raise ValueError(f"{name} has a colon; give the module alone: {name.partition(':')[0]}")
    first, *rest = name.split(".")
    if not first.isidentifier():
        raise ValueError(f"{name} must begin with the name of a package or module")
    if not all(part == "**" or (part.replace("*", "x").isidentifier() and "**" not in part) for part in rest):
        raise ValueError(f"{name} is not a module name or pattern")


def _read_driver(raw: object) -> object:
    if isinstance(raw, str) and raw != "redis":
        module, _, name = raw.partition(":")
        if not (_is_dotted(module) and _is_dotted(name)):
            raise ValueError('did you mean "redis"?' if nearest(raw, ["redis"]) else "not a class name")
    return raw


def _read_url(raw: object) -> object:
    if not isinstance(raw, str):
        raise ValueError(f"the value is of type {type(raw).__name__}")
    try:
        return check_url(raw)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _read_secrets(raw: object) -> tuple[str, ...]:
    """Read secrets from one text, separated by commas or white space, or from a list of texts."""
    if isinstance(raw, str):
        secrets = tuple(re.split(r"[,\s]+", raw.strip(", \t\r\n")))
    elif isinstance(raw, Sequence) and all(isinstance(secret, str) for secret in raw):
        secrets = tuple(raw)
    else:
        raise ValueError(f"the value is of type {type(raw).__name__}")
    if not secrets or not all(secrets):
        raise ValueError("the value is empty")
    if any(re.search(r"[,\s]", secret) for secret in secrets):
        # The same text in TASKQ_SECRET would be two secrets, and the signatures would not match.
        raise ValueError("a secret must not contain a comma or white space")
    if any(not secret.isprintable() for secret in secrets):
        raise ValueError("it contains control characters, or is not UTF-8")
    return secrets


def _read_directory(raw: object) -> object:
    if not isinstance(raw, (str, Path)):
        raise ValueError(f"the value is of type {type(raw).__name__}")
    directory = Path(raw).absolute()
    if not directory.is_dir():
        raise ValueError("the directory does not exist")
    return directory


SECONDS = Kind('a duration in seconds such as 30, "5m" or "1h30m",', _read_seconds)
SIZE = Kind('a size in bytes such as 1048576, "512MiB" or "1GB"', _read_size)
INTERVALS = Kind(
    'a duration in seconds such as 5 or "5m", from 0 to ten years, or a non-empty list of such', _read_intervals, _read_intervals_text
)
PREFIX = Kind("1 to 64 letters, digits, '_', '-' or '.', beginning with a letter or digit", _read_prefix)
APP = Kind('a module or a queue in a module, such as "shop.jobs" or "shop.jobs:queue"', _read_app)
IMPORTS = Kind('a list of modules, such as "shop.jobs", or of patterns, such as "shop.*.jobs"', _read_imports)
DRIVER = Kind('"redis", or a class such as "package.module:Class"', _read_driver)
URL = Kind("the URL of a server, such as redis://localhost:6379/0", _read_url, public=False)
SECRETS = Kind("one or more secrets, separated by commas or white space", _read_secrets, public=False)
DIRECTORY = Kind("an existing directory", _read_directory)
