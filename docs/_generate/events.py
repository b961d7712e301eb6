"""The events as Markdown."""

from __future__ import annotations

from types import ModuleType

from taskq.events import Signal

__all__ = ["event_table"]


def event_table(module: ModuleType) -> str:
    """Return one row for each public signal of a module, in the order of the file."""
    signals = {name: value for name, value in vars(module).items() if isinstance(value, Signal) and name in module.__all__}
    rows = [f"| `{name}` | {signal.__doc__} |" for name, signal in signals.items()]
    return "\n".join(["| Event | Emitted when |", "|---|---|", *rows])
