"""The events as Markdown."""

from __future__ import annotations

import re
from types import ModuleType

from taskq.events import Signal

__all__ = ["event_table"]

_DOC = re.compile(r"(.+\.) Emitted in (.+), with an? (\w+)\.")


def event_table(module: ModuleType) -> str:
    """Return one row for each public signal of a module, in the order of the file."""
    signals = {name: value for name, value in vars(module).items() if isinstance(value, Signal) and name in module.__all__}
    rows = [f"| `{name}` | {' | '.join(_parts(signal.__doc__ or ''))} |" for name, signal in signals.items()]
    return "\n".join(["| Event | Emitted when | Emitted in | Carries |", "|---|---|---|---|", *rows])


def _parts(doc: str) -> tuple[str, str, str]:
    """Split "A job failed. Emitted in the worker process, with a JobEvent."."""
    match = _DOC.fullmatch(doc)
    return (match[1], match[2], f"`{match[3]}`") if match else (doc, "", "")
