"""The Lua scripts: one file per move in `lua/`. The shared steps in `lua/_<step>.lua` are added by the `-- include:` line."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from taskq.driver.contract import Script

__all__ = ["load_script", "script_names"]

#: A path, because importlib.resources takes longer to import than most of taskq.
_FOLDER = Path(__file__).with_name("lua")
_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)


def _read(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def script_names() -> list[str]:
    """Return the names of all scripts, without the shared steps."""
    return sorted(path.stem for path in _FOLDER.glob("*.lua") if not path.name.startswith("_"))


@cache
def load_script(name: str) -> Script:
    """Return a script with the steps that it includes, without comments."""
    import hashlib  # imports OpenSSL, which a process that sends nothing doesn't need

    text = _read(name)
    found = _INCLUDE.search(text)
    steps = [_read(f"_{step.strip()}") for step in found.group(1).split(",")] if found else []
    lines = [line for part in [*steps, text] for line in part.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    whole = "\n".join(lines)
    return Script(name, whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest())
