"""Looking into a pickle without running anything of it.

A pickle is a program: loading one calls whatever it names. Here nothing is called and nothing imported. Containers and plain
values are made as usual, and whatever else the pickle names becomes an `Unknown`, which only remembers what it was given.
"""

from __future__ import annotations

import io
import pickle
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

__all__ = ["Unknown", "look_into"]


class Unknown:
    """Stands for an object that a pickle describes. It has the name of the class, and what the object would be made from."""

    name = "?"

    def __new__(cls, *args: Any, **kwargs: Any) -> Unknown:
        """Take what the real class would be called with."""
        made = super().__new__(cls)
        made.args = args
        made.fields = kwargs
        made.items = []
        return made

    args: tuple[Any, ...]
    fields: dict[Any, Any]
    #: What a list, set or mapping of an unknown class would hold.
    items: list[Any]

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing is left to do."""

    def __call__(self, *args: Any, **kwargs: Any) -> Unknown:
        return type(self)(*self.args, *args, **kwargs)

    def __setstate__(self, state: Any) -> None:
        # An object with slots has two mappings: of its __dict__ and of its slots.
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        mappings = [part for part in parts if isinstance(part, dict)]
        if len(mappings) + sum(part is None for part in parts) != len(parts):
            self.args = (*self.args, state)
        for mapping in mappings:
            self.fields = {**self.fields, **mapping}

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, value: Any) -> None:
        self.items.append(value)

    def extend(self, values: Any) -> None:
        self.items.extend(values)

    add = append


class _Harmless(Unknown):
    """Stands for a class of plain values, and makes them: they are no larger than the bytes they are made from."""

    real: Any

    def __new__(cls, *args: Any) -> Any:
        """Make the value, or an Unknown when it is given one (as a time with a zone is)."""
        try:
            return cls.real(*args)
        except Exception:
            return super().__new__(cls, *args)


_HARMLESS = {
    (module, real.__name__): type("Harmless", (_Harmless,), {"name": real.__name__, "real": real})
    for module, reals in {
        "builtins": (complex, frozenset, set),
        "datetime": (date, datetime, time, timedelta, timezone),
        "decimal": (Decimal,),
    }.items()
    for real in reals
}


class _Looker(pickle.Unpickler):
    """Gives an Unknown for every name."""

    def find_class(self, module: str, name: str) -> Any:
        return _HARMLESS.get((module, name)) or type("Unknown", (Unknown,), {"name": name})

    def persistent_load(self, pid: Any) -> Any:
        return Unknown(pid)


def look_into(data: bytes) -> Any:
    """Return what a pickle holds, an `Unknown` in the place of every object that only running it would make.

    Raises:
        ValueError: the bytes are no pickle, or one that can't be looked into.
    """
    try:
        return _Looker(io.BytesIO(data)).load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"no pickle that can be read: {type(error).__name__}: {error}") from None
