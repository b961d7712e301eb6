"""The validator of a job: its arguments and results, checked by its type hints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from taskq.errors import JobDefinitionError, ResultError, SerializationError
from taskq.jobs.call import Callee
from taskq.jobs.typed.arguments import Arguments
from taskq.jobs.typed.hints import Hinted, hints_of, returned_by
from taskq.jobs.typed.models import Examined, examine
from taskq.jobs.typed.value import Mismatch, Value
from taskq.wire.codec import Serializer

__all__ = ["Validator"]

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Validator:
    """Checks and rebuilds the arguments and results of one job."""

    def __init__(self, job: Callee, serializer: Serializer, *, is_asked_for: bool) -> None:
        """Resolve the hints of the parameters.

        Args:
            job: the job.
            serializer: its serializer.
            is_asked_for: `validate=True` was given. Then a hint that can't be checked is an error; otherwise the arguments of
                that parameter are not checked.

        Raises:
            JobDefinitionError: a hint can't be resolved, or can't be checked although that was asked for.
        """
        self._job = job
        self._serializer = serializer
        self._is_asked_for = is_asked_for
        self._returned: _Returned | None = None
        #: Why the hints of some parameters can't be used, by the name of the parameter.
        self._unused: dict[str, str] = {}
        hinted = hints_of(job.name, job.function, through_wrapper=is_asked_for)
        self._arguments = None if hinted is None else self._compile(hinted)
        self.dump: Callable[..., Call] = self._arguments.dump if self._arguments else _unchanged
        self.load: Callable[..., Call] = self._arguments.load if self._arguments else _unchanged

    def _compile(self, hinted: list[Hinted]) -> Arguments | None:
        checkable, plain = [], set()
        for parameter, hint in hinted:
            what = f"the type hint of parameter {parameter.name!r} of {self._job.name}"
            examined = self._examine(hint, what)
            checkable.append(Hinted(parameter, hint if examined.problem is None else Any))
            if examined.is_plain or examined.problem is not None:
                plain.add(parameter.name)
            if examined.problem is not None:
                self._unused[parameter.name] = examined.problem
        if all(one.hint is Any for one in checkable):
            return None
        return Arguments(self._job.name, checkable, plain, self._serializer)

    def explain(self, error: SerializationError) -> SerializationError:
        """Return the error for an argument that can't be stored, with the reason why its hint doesn't help."""
        for name, problem in self._unused.items():
            if str(error).startswith(f"argument {name!r} of "):
                return SerializationError(f"{error} The type hint of {name!r} can't be used: {problem}")
        return error

    def _examine(self, hint: Any, what: str) -> Examined:
        takes_objects = self._serializer.name == "pickle"
        try:
            examined = examine(hint, takes_objects=takes_objects)
        except NameError as error:
            raise JobDefinitionError(
                f"a field in {what} can't be resolved: {error}. Import or define the name in the module of the field's class, or turn the "
                "check off with @queue.job(validate=False)"
            ) from error
        if examined.problem is not None and self._is_asked_for:
            raise JobDefinitionError(
                f"{what}, {hint!r}, can't be checked: {examined.problem}. Use another type or Any, or leave out validate=True"
            )
        return examined

    # ---- results

    def _returns(self) -> _Returned:
        """Return what the job returns. Resolved only for jobs whose results are stored or read."""
        if self._returned is None:
            self._returned = self._resolve_returned()
        return self._returned

    def _resolve_returned(self) -> _Returned:
        returned = returned_by(self._job.name, self._job.function, through_wrapper=self._is_asked_for)
        what = "the type hint of the return value of " + self._job.name
        return _Returned(*(self._value(hint, what) for hint in returned))

    def _value(self, hint: Any, what: str) -> Value | None:
        examined = Examined(None, is_plain=True) if hint is Any else self._examine(hint, what)
        return None if hint is Any or examined.problem is not None else Value(hint, self._serializer, is_plain=examined.is_plain)

    def serializers(self) -> tuple[Serializer, Serializer]:
        """Return the serializers that check what the job returns, and what it yields."""
        returned = self._returns()
        return _checking(self._serializer, returned.result, "result"), _checking(self._serializer, returned.item, "item")

    def result(self, data: Any) -> Any:
        """Return the result that plain data describes.

        Raises:
            ResultError: the data doesn't fit the return hint of the job.
        """
        return self._restored(self._returns().result, data, "result")

    def item(self, data: Any) -> Any:
        """Return an item of a stream; see `result`."""
        return self._restored(self._returns().item, data, "item")

    def _restored(self, value: Value | None, data: Any, name: str) -> Any:
        try:
            return data if value is None else value.load(data, name)
        except Mismatch as error:
            raise ResultError(f"the data doesn't fit the return hint of {self._job.name}: {error}") from None


class _Returned(NamedTuple):
    result: Value | None
    item: Value | None


def _unchanged(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    return args, kwargs


def _checking(serializer: Serializer, value: Value | None, name: str) -> Serializer:
    if value is None:
        return serializer
    return serializer._replace(dump=lambda returned: serializer.dump(value.dump(returned, name)))
