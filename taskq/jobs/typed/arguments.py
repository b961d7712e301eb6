"""The arguments of a call: checked by the hints of the job's parameters, and rebuilt by them."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import Parameter
from typing import Any, TypedDict

import msgspec
from msgspec.structs import astuple

from taskq.errors import ArgumentsError, SerializationError
from taskq.jobs.typed.hints import Hinted
from taskq.jobs.typed.models import from_data, from_object
from taskq.jobs.typed.value import Changed, Mismatch, Value, mismatch
from taskq.wire.codec import Serializer

__all__ = ["Arguments"]

Call = tuple[tuple[Any, ...], dict[str, Any]]
_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Arguments:
    """Checks and rebuilds the arguments of one job. All arguments by place, or by name, are converted in one step."""

    def __init__(self, job: str, hinted: Sequence[Hinted], plain: set[str], serializer: Serializer) -> None:
        """Compile the hints of a job.

        Args:
            job: the job's name, for errors.
            hinted: the parameters, with the hints that can be checked.
            plain: the names of the parameters whose arguments are stored as they are.
            serializer: the serializer of the job.
        """
        self._job = job
        kinds = {one.parameter.kind: one.parameter.name for one in hinted}
        #: The names of the parameters that take any number of arguments, or "".
        self._rest, self._more = kinds.get(Parameter.VAR_POSITIONAL, ""), kinds.get(Parameter.VAR_KEYWORD, "")
        by_place = [one for one in hinted if one.parameter.kind in _BY_PLACE]
        by_name = [one for one in hinted if one.parameter.kind in _BY_NAME]
        self._names = tuple(one.parameter.name for one in by_place)
        self._by_place = _struct(by_place)
        named = TypedDict("Named", {one.parameter.name: one.hint for one in by_name}, total=False)  # type: ignore[misc]
        self._known = frozenset(named.__annotations__)
        self._by_name = msgspec.defstruct("Named", [("named", named)], array_like=True)
        self._values = {one.parameter.name: Value(one.hint, serializer, is_plain=one.parameter.name in plain) for one in hinted}
        self._is_pickle = serializer.name == "pickle"
        self._rich = self._values.keys() - plain
        self._hook = from_object if self._is_pickle else from_data

    def dump(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Check the arguments of a push. Return them as data that the serializer stores.

        Raises:
            ArgumentsError: an argument doesn't fit its hint.
            SerializationError: an argument would be restored as another value.
        """
        try:
            by_place, by_name = self._convert(args, kwargs, from_object)
            if self._is_pickle:
                return by_place, by_name
            if not self._rich:
                return args, kwargs
            placed = [self._plain(*self._named(i), args[i], one) for i, one in enumerate(by_place)]
            return tuple(placed), {key: self._plain(self._parameter(key), key, kwargs[key], one) for key, one in by_name.items()}
        except Changed as error:
            raise SerializationError(f"wrong argument of {self._job}: {error}") from None
        except Mismatch as error:
            raise ArgumentsError(f"wrong argument of {self._job}: {error}") from None

    def load(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Return the arguments that the data of a message describes.

        Raises:
            ArgumentsError: an argument doesn't fit its hint.
        """
        try:
            return self._convert(args, kwargs, self._hook)
        except Mismatch as error:
            raise ArgumentsError(f"wrong argument of {self._job}: {error}") from None

    def _plain(self, parameter: str, name: str, given: Any, checked: Any) -> Any:
        return self._values[parameter].plain(checked, name) if parameter in self._rich else given

    def _named(self, index: int) -> tuple[str, str]:
        """Return the parameter of an argument by place, and the name of the argument."""
        count = len(self._names)
        if index < count:
            return self._names[index], self._names[index]
        return self._rest, f"{self._rest}[{index - count}]"

    def _parameter(self, key: str) -> str:
        return key if key in self._known else self._more

    def _convert(self, args: tuple[Any, ...], kwargs: dict[str, Any], hook: Any) -> Call:
        return self._convert_placed(args, hook) if args else args, self._convert_named(kwargs, hook) if kwargs else kwargs

    def _convert_placed(self, args: tuple[Any, ...], hook: Any) -> tuple[Any, ...]:
        count = len(self._names)
        try:
            placed: Any = msgspec.convert(args[:count], self._by_place, str_keys=True, dec_hook=hook)
        except Exception as error:  # the constructor of a class may raise anything
            raise mismatch(error, self._names) from None
        found: tuple[Any, ...] = astuple(placed)
        if len(args) < count:
            found = found[: len(args)]
        elif len(args) > count:
            rest = self._values[self._rest]
            found += tuple(rest.convert(args[i], self._named(i)[1], hook) for i in range(count, len(args)))
        return found

    def _convert_named(self, kwargs: dict[str, Any], hook: Any) -> dict[str, Any]:
        try:
            found: Any = msgspec.convert((kwargs,), self._by_name, str_keys=True, dec_hook=hook)
        except Exception as error:
            raise mismatch(error, ("",)) from None
        named: dict[str, Any] = found.named
        if len(named) < len(kwargs):  # the others belong to **kwargs
            rest = self._values[self._more]
            named |= {key: rest.convert(value, key, hook) for key, value in kwargs.items() if key not in self._known}
        return named


def _struct(hinted: Sequence[Hinted]) -> type[msgspec.Struct]:
    """Return a Struct that is written as a list, with an item for each parameter. The last ones may be missing."""
    return msgspec.defstruct("Placed", [(f"p{i}", one.hint, None) for i, one in enumerate(hinted)], array_like=True)
