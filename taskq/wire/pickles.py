"""Pickles. The only file that writes and loads them, and uses cloudpickle.

Classes and functions of a script, which runs as `__main__`, are stored with their names and by value. A reader that has imported the
script, or runs it, uses its own object of that name, so that `isinstance` and `==` hold. Other readers use the value.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable
from functools import cache
from typing import Any

from taskq.main_module import find_loaded, is_script, look_up, name_in_script, scripts

__all__ = ["dump_call", "dump_pickle", "load_pickle"]


#: The module that `runpy.run_path` runs, while it runs.
_RUN_PATH = "<run_path>"


def dump_pickle(value: Any, *, functions: bool = True) -> bytes:
    """Pickle a value. Code that only a script, a notebook or a function defines is stored by value.

    Args:
        value: the value.
        functions: True to store functions of a script with their names, too.
    """
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return _dump_by_value(value, functions)
    # pickle stores objects defined in `__main__` (in a spawned process, `__mp_main__`) by name, and the worker's `__main__` is another
    # program. The test also matches an argument that only contains the word, which costs time and has no other effect.
    # (`in` takes ten times as long as `find` for short bytes.)
    if data.find(b"_main__") >= 0 or (_RUN_PATH in sys.modules and _RUN_PATH.encode() in data):
        return _dump_by_value(value, functions)
    return data


def dump_call(value: Any) -> bytes:
    """Pickle a call of `queue.call`: a script's functions are stored by value alone, for a worker may have another version of them."""
    return dump_pickle(value, functions=False)


def _dump_by_value(value: Any, functions: bool) -> bytes:
    try:
        return _dump(value, functions, values=True)
    except Exception as error:
        if not scripts:
            raise
        # The methods of a script's class may use what can't be pickled, such as the queue. A worker that has the script needs only names.
        with contextlib.suppress(Exception):
            return _dump(value, functions, values=False)
        raise error from None


def _dump(value: Any, functions: bool, *, values: bool) -> bytes:
    file = io.BytesIO()
    pickler = _by_value_pickler()(file, pickle.HIGHEST_PROTOCOL)
    pickler.functions, pickler.values = functions, values
    pickler.dump(value)
    return file.getvalue()


@cache
def _by_value_pickler() -> Any:
    import cloudpickle  # a slow import, which most producers never need

    table: Any = cloudpickle.Pickler.dispatch_table
    of_file = table[io.TextIOWrapper]

    def reduce_file(file: io.TextIOWrapper) -> Any:
        # cloudpickle would store the whole content, and the job would get an object that is not a file.
        if file not in (sys.stdout, sys.stderr):
            raise TypeError("cannot pickle an open file")
        return of_file(file)

    changed: Any = ChainMap({io.TextIOWrapper: reduce_file}, table)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """cloudpickle's pickler, without open files, and with the names of what scripts define."""

        dispatch_table = changed
        functions: bool
        values: bool

        def reducer_override(self, obj: Any) -> Any:
            module = getattr(obj, "__module__", None)
            if module in ("__mp_main__", _RUN_PATH) and module in sys.modules:
                cloudpickle.register_pickle_by_value(sys.modules[module])  # as cloudpickle does with `__main__`
            made = super().reducer_override(obj)
            if type(made) is not tuple or len(made) != _BY_VALUE or not (self.functions or isinstance(obj, type)):
                return made
            if (name := name_in_script(obj)) is None:
                return made
            if not self.values:
                return _found, name
            make, args, state, _, _, set_state = made
            return _found_or_made, (*name, make, args), (*name, set_state, state), None, None, _set_state

    return Pickler


#: The length of what cloudpickle returns for a class or a function by value: its constructor, arguments and state, and a setter.
_BY_VALUE = 6


# Pickles name these three functions: messages that wait in a server call them. A reader never imports a module for them.


def _found(module: str, qualname: str) -> Any:
    found = find_loaded(module, qualname)
    if found is None:
        raise AttributeError(f"this process has not imported a module {module!r} with {qualname!r}")
    return found


def _found_or_made(module: str, qualname: str, make: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    found = find_loaded(module, qualname)
    return make(*args) if found is None else found


def _set_state(thing: Any, state: tuple[str, str, Callable[[Any, Any], None], Any]) -> None:
    module, qualname, set_state, values = state
    if find_loaded(module, qualname) is not thing:
        set_state(thing, values)


def load_pickle(data: bytes) -> Any:
    """Load a pickle. In a process that runs a script, names of the script mean its objects: importing it would run it again."""
    for name in scripts:
        if name.encode() in data:
            return _Names(io.BytesIO(data)).load()
    try:
        return pickle.loads(data)
    except ModuleNotFoundError as error:
        if error.name not in _MOVED:
            raise
        return _Names(io.BytesIO(data)).load()


#: Modules that pickles of taskq 0.1 name, and the modules that have their contents now.
_MOVED = {
    "taskq.awaiting": ("taskq.handle.status", "taskq.wire.progress"),
    "taskq.buffer": ("taskq.push.buffer",),
    "taskq.call": ("taskq.jobs.call",),
    "taskq.cancelling": ("taskq.handle.cancel",),
    "taskq.job": ("taskq.jobs.job",),
    "taskq.lifespan": ("taskq.jobs.hooks",),
    "taskq.options": ("taskq.jobs.options",),
    "taskq.result": ("taskq.handle.handle",),
    "taskq.retry": ("taskq.jobs.retry",),
    "taskq.stream": ("taskq.handle.stream",),
}


class _Names(pickle.Unpickler):
    """Reads pickles that name a script of this process, or modules as they were called in taskq 0.1."""

    def find_class(self, module: str, name: str) -> Any:
        if is_script(module) and (found := look_up(scripts[module], name)) is not None:
            return found
        for home in _MOVED.get(module, (module,))[:-1]:
            with contextlib.suppress(AttributeError):
                return super().find_class(home, name)
        return super().find_class(_MOVED.get(module, (module,))[-1], name)
