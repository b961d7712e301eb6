"""Read a pickle without running any code of it, in bounded time and memory.

A pickle is a program: loading it calls the functions that it names, and even its data can be harmful. A few hundred bytes describe
a tuple whose hash takes years, or reserve gigabytes. So the opcodes are read here one by one. Nothing is called or imported, no
container is copied, and only small keys are hashed. Containers and plain values are made as usual. Everything else that the
pickle names becomes an `Unknown`.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from taskq.inspector.plain import NOT_PLAIN, plain_value
from taskq.inspector.values import KEY_VALUES, Global, Unknown, is_cheap_key, is_plain_key, is_small

__all__ = ["STEPS", "look_into"]

#: The maximum number of opcodes, and of entries copied. An opcode takes about a microsecond and at most 300 bytes of memory.
STEPS = 500_000
#: How many keys of one pickle are hashed whose hashes can be made to collide, such as tuples of numbers.
_ODD_KEYS = 1000
_ERROR = 200
_PROTOCOL = 5

_LITERALS = frozenset({
    "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BYTEARRAY8",
})  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}


class _Machine:
    """Executes the opcodes on a stack. Each `op_` method is named after an opcode."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._left = STEPS
        self._odd_keys = 0

    def run(self, data: bytes) -> Any:
        known: dict[str, Callable[[Any], None]] = {}
        for opcode, argument, _ in pickletools.genops(data):
            self._spend(1)
            name = opcode.name
            step = known.get(name)
            if step is None:
                step = known[name] = self._step(name)
            step(argument)
        return self._stack[-1]

    def _step(self, name: str) -> Callable[[Any], None]:
        if name in _LITERALS:
            return self._push
        if name in _CONSTANTS:
            return lambda _: self._push(_CONSTANTS[name]())
        step: Callable[[Any], None] | None = getattr(self, f"op_{name.lower()}", None)
        if step is None:
            raise ValueError(f"opcode {name} is not supported")
        return step

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ValueError(f"too large to show: more than {STEPS:,} steps")

    # ---- the stack

    def op_proto(self, version: int) -> None:
        if version > _PROTOCOL:
            raise ValueError(f"unknown protocol {version}")

    def op_frame(self, _size: int) -> None:
        pass

    op_stop = op_frame

    def op_mark(self, _: None) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def op_pop_mark(self, _: None) -> None:
        self._since_mark()

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._outer.pop()
        return items

    def op_pop(self, _: None) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def op_dup(self, _: None) -> None:
        self._push(self._stack[-1])

    def op_put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    op_binput = op_long_binput = op_put

    def op_memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def op_get(self, index: int) -> None:
        self._push(self._memo[index])

    op_binget = op_long_binget = op_get

    # ---- containers

    def op_tuple(self, _: None) -> None:
        items = self._since_mark()
        self._push(tuple(items))

    def op_tuple1(self, _: None) -> None:
        self._tuple_of(1)

    def op_tuple2(self, _: None) -> None:
        self._tuple_of(2)

    def op_tuple3(self, _: None) -> None:
        self._tuple_of(3)

    def _tuple_of(self, count: int) -> None:
        items = [self._stack.pop() for _ in range(count)]
        self._push(tuple(reversed(items)))

    def op_list(self, _: None) -> None:
        self._push(self._since_mark())

    def op_append(self, _: None) -> None:
        value = self._stack.pop()
        self._extend([value])

    def op_appends(self, _: None) -> None:
        self._extend(self._since_mark())

    def _extend(self, values: list[Any]) -> None:
        found = self._stack[-1]
        target = found.items if isinstance(found, Unknown) else found
        if type(target) is not list:
            raise ValueError(f"appends to a {type(target).__name__}")
        target.extend(values)

    def op_dict(self, _: None) -> None:
        words = self._since_mark()
        self._push({})
        self._set_items(words)

    def op_setitem(self, _: None) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value])

    def op_setitems(self, _: None) -> None:
        self._set_items(self._since_mark())

    def _set_items(self, words: list[Any]) -> None:
        target = self._stack[-1]
        pairs = zip(words[::2], words[1::2], strict=True)
        if isinstance(target, Unknown):
            target.items.extend(pairs)
        elif type(target) is dict:
            for key, value in pairs:
                target[self._key(key)] = value
        else:
            raise ValueError(f"sets items of a {type(target).__name__}")

    def op_additems(self, _: None) -> None:
        members, target = self._since_mark(), self._stack[-1]
        if isinstance(target, Unknown):
            target.items.extend(members)
        elif type(target) is set:
            target.update(map(self._key, members))
        else:
            raise ValueError(f"adds members to a {type(target).__name__}")

    def op_frozenset(self, _: None) -> None:
        self._push(frozenset(map(self._key, self._since_mark())))

    def _key(self, value: Any) -> Any:
        """Return a value as a key of a dict or a member of a set. One that is expensive to hash is wrapped."""
        if is_plain_key(value):
            return value
        self._odd_keys += 1
        self._spend(KEY_VALUES)
        if is_cheap_key(value) and self._odd_keys <= _ODD_KEYS:
            return value
        return Unknown(type(value).__name__, (value,))

    # ---- objects

    def op_global(self, path: str) -> None:
        self._push(Global(path))

    def op_stack_global(self, _: None) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise ValueError("the name of a class is not a string")
        self._push(Global(f"{module} {name}"))

    def op_persid(self, name: Any) -> None:
        self._push(Unknown("?", (name,)))

    def op_binpersid(self, _: None) -> None:
        self.op_persid(self._stack.pop())

    def op_reduce(self, _: None) -> None:
        args, function = self._stack.pop(), self._stack.pop()
        self._push(self._called(function, args))

    op_newobj = op_reduce

    def op_newobj_ex(self, _: None) -> None:
        fields, args, function = self._stack.pop(), self._stack.pop(), self._stack.pop()
        if type(fields) is not dict:
            raise ValueError("the keyword arguments are not a dict")
        made = self._called(function, args)
        if isinstance(made, Unknown):
            made.fields = fields
        self._push(made)

    def op_inst(self, path: str) -> None:
        self._push(self._called(Global(path), tuple(self._since_mark())))

    def op_obj(self, _: None) -> None:
        function, *args = self._since_mark()
        self._push(self._called(function, tuple(args)))

    def _called(self, function: Any, args: Any) -> Any:
        """Return the value that a call would make, if it is a plain one; otherwise an Unknown with the arguments."""
        if type(args) is not tuple or not isinstance(function, Unknown):
            raise ValueError(f"calls a {type(function).__name__} with a {type(args).__name__}")
        if isinstance(function, Global) and function.is_finder and len(args) > 1 and type(args[0]) is type(args[1]) is str:
            return Global(f"{args[0]} {args[1]}")
        real = function.real if isinstance(function, Global) else None
        if real in (set, frozenset) and len(args) == 1 and type(args[0]) in (list, tuple):
            self._spend(len(args[0]))
            return real(map(self._key, args[0]))
        if real is not None and all(map(is_small, args)):
            try:
                return real(*args)
            except Exception:
                return Unknown(function.name, args)
        self._spend(len(function.args))
        return Unknown(function.name, (*function.args, *args) if function.args else args)

    def op_build(self, _: None) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(target, Unknown):
            raise ValueError(f"sets the state of a {type(target).__name__}")
        # The state of an object with slots is two mappings: its __dict__ and its slots.
        parts = state if type(state) is tuple and len(state) == 2 else (state,)
        mappings = [part for part in parts if type(part) is dict]
        if len(mappings) + sum(part is None for part in parts) != len(parts):
            self._spend(len(target.args))
            target.args = (*target.args, state)
        for mapping in mappings:
            self._spend(len(target.fields) and len(target.fields) + len(mapping))
            target.fields = {**target.fields, **mapping} if target.fields else mapping


def look_into(data: bytes) -> Any:
    """Return the content of a pickle, with an `Unknown` for every object that only running the pickle would make.

    Raises:
        ValueError: the bytes are not a valid pickle, or are too large to show.
    """
    value = plain_value(data)
    if value is not NOT_PLAIN:
        return value
    try:
        return _Machine().run(data)
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"unreadable pickle: {type(error).__name__}: {error}"[:_ERROR]) from None
