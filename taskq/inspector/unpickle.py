"""Read a pickle without running any code of it.

A pickle is a program: loading it calls the functions that it names. Here nothing is called and nothing is imported. Containers
and plain values are made as usual. Everything else that the pickle names becomes an `Unknown`, which only stores its arguments.
"""

from __future__ import annotations

import io
import pickle
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

__all__ = ["Unknown", "look_into"]


class Unknown:
    """Placeholder for an object in a pickle. It has the name of the class and the arguments that would make the object."""

    name = "?"

    def __new__(cls, *args: Any, **kwargs: Any) -> Unknown:
        """Store the arguments of the real class."""
        made = super().__new__(cls)
        made.args = args
        made.fields = kwargs
        made.items = []
        return made

    args: tuple[Any, ...]
    fields: dict[Any, Any]
    #: The items of a list, set or mapping of an unknown class.
    items: list[Any]

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: `__new__` has stored the arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Unknown:
        return type(self)(*self.args, *args, **kwargs)

    def __setstate__(self, state: Any) -> None:
        # The state of an object with slots is two mappings: its __dict__ and its slots.
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
    """Placeholder for a class of plain values. It makes them, because they are not larger than the bytes they are made from."""

    real: Any

    def __new__(cls, *args: Any) -> Any:
        """Make the value, or an Unknown if an argument is one (such as the zone of a time)."""
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
    """An unpickler that returns an Unknown for every name."""

    def find_class(self, module: str, name: str) -> Any:
        return _HARMLESS.get((module, name)) or type("Unknown", (Unknown,), {"name": name})

    def persistent_load(self, pid: Any) -> Any:
        return Unknown(pid)


def look_into(data: bytes) -> Any:
    """Return the content of a pickle, with an `Unknown` for every object that only running the pickle would make.

    Raises:
        ValueError: the bytes are not a valid pickle.
    """
    try:
        return _Looker(io.BytesIO(data)).load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"unreadable pickle: {type(error).__name__}: {error}") from None
