"""A recorded push, and its comparison with what a test expects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from taskq.clock import delay_ms
from taskq.errors import ArgumentsError, SerializationError
from taskq.handle.handle import Handle
from taskq.jobs.builtin import CALL, OBJECT, label_of
from taskq.jobs.call import Call, shown_call
from taskq.jobs.hooks import queues
from taskq.jobs.job import Job, Options, Pushable
from taskq.jobs.registry import nearest_job
from taskq.push.envelope import Outgoing
from taskq.queue import Queue
from taskq.wire.codec import dump_arguments, load_arguments, serializer_of_code
from taskq.wire.headers import read_headers
from taskq.wire.message import Message

if TYPE_CHECKING:
    from taskq.jobs.typed.validator import Validator

__all__ = ["Expected", "Pushed"]

_MISSING = object()


class Pushed:
    """One recorded push.

    The arguments are those that the job gets: they went through the serializer.

    Attributes:
        job: the name of the job, such as `"shop.jobs:send_email"`; for an object or a callable by value, the name of its class or of
            the callable.
        channel: the channel that it was pushed to.
        delay: the delay in seconds; 0 without one.
        at: the time set by `options(at=...)`, in UTC, or None.
        id: the id of the message, as in `Handle.id`.
    """

    def __init__(self, call: Call[Any], out: Outgoing, validator: Validator | None = None) -> None:
        self.job = call.label or call.job.name
        self.channel, delay_ms, at_ms, _ = out.route
        self.delay = (delay_ms or 0) / 1000
        self.at = None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
        self.id = out.identity.hex()
        #: For `Expected`.
        self.call, self.payload = call, out.payload
        self._validator = validator

    @cached_property
    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        body = Message(self.payload).body()
        args, kwargs = load_arguments(serializer_of_code(body.serializer), body.arguments)
        if self._validator is not None:
            return self._validator.load(args, kwargs)
        return (args[1:] if self.call.job.name == CALL else args), kwargs

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments. For an object with `handle()`: the object."""
        return self._arguments[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments."""
        return self._arguments[1]

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers of the message."""
        return read_headers((Message(self.payload).body().options or {}).get("headers") or [])

    def __repr__(self) -> str:
        headers = f", headers {self.headers}" if self.headers else ""
        when = f", at {self.at}" if self.at is not None else f", delay {self.delay:g} s" if self.delay else ""
        return f"{shown_call(self.job, self.args, self.kwargs)} in {self.channel}{when}{headers}"


class Wanted(NamedTuple):
    """The options of a push that a test expects; None: any."""

    channel: str | None
    delay: float | timedelta | None
    headers: Mapping[str, str] | None


class Expected:
    """The push that a test expects: a job, some of its arguments, and some options."""

    def __init__(self, job: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: Wanted) -> None:
        """See `Recording.assert_pushed`.

        Raises:
            ArgumentsError: the first argument can't be a job, or the job has no such parameters.
        """
        if isinstance(job, Call):
            job, args, kwargs = job.job, (*job.args, *args), {**job.kwargs, **kwargs}
        self.name = name_of(job)
        self._first = job._first if isinstance(job, Pushable) else ()
        self._args, self._kwargs = args, dict(kwargs)
        self._options = options
        if options.headers is not None and not isinstance(options.headers, Mapping):
            raise ArgumentsError(f"headers must be a mapping of names to strings; got {options.headers!r}")
        self._object = None if isinstance(job, (type, str, Pushable)) or callable(job) else job
        if isinstance(job, Pushable):
            self._bind(job._job.function, (*self._first, *args), self._kwargs)

    def is_of(self, push: Pushed) -> bool:
        """Return True if the push is of the expected job."""
        return push.job == self.name

    def differences(self, push: Pushed) -> list[str]:
        """Return how a push of the job differs; an empty list if it is as expected."""
        found = []
        if push.call.job.name == OBJECT:
            found += self._of_object(push)
        else:
            found += self._of_arguments(push)
        channel, delay, headers = self._options
        if channel is not None and push.channel != channel:
            found.append(_differs("channel", channel, push.channel))
        if delay is not None and delay_ms(delay) != delay_ms(push.delay):
            found.append(_differs("delay", delay, push.delay if push.at is None else push.at))
        for name, value in (headers or {}).items():
            if push.headers.get(name) != value:
                found.append(_differs(f"header {name}", value, push.headers.get(name, _MISSING)))
        return found

    def _of_object(self, push: Pushed) -> list[str]:
        target = push.args[0]
        if self._object is not None and self._object is not push.call.args[0] and self._object != target:
            return [_differs("object", self._object, target)]
        fields = {name: getattr(target, name, _MISSING) for name in self._kwargs}
        return [_differs(name, self._kwargs[name], value) for name, value in fields.items() if value != self._kwargs[name]]

    def _of_arguments(self, push: Pushed) -> list[str]:
        job = push.call.job
        function = push.call.args[0] if job.name == CALL else job.function
        expected = self._bind(function, (*self._first, *self._args), self._kwargs)
        stored = self._bind(function, push.args, push.kwargs, defaults=True)
        original = self._bind(function, push.call.args[1:] if job.name == CALL else push.call.args, push.call.kwargs, defaults=True)
        found = []
        for name, value in expected.items():
            got = stored.get(name, _MISSING)
            if original.get(name, _MISSING) is not value and not _is_equal(got, value) and not _is_equal(got, _stored(push, value)):
                found.append(_differs(name, value, got))
        return found

    def _bind(self, function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], *, defaults: bool = False) -> dict[str, Any]:
        """Return arguments by the names of their parameters; extra positional ones by their positions."""
        try:
            signature = inspect.signature(function, follow_wrapped=False)
        except (ValueError, TypeError):
            return {**{f"argument {number + 1}": value for number, value in enumerate(args)}, **kwargs}
        try:
            bound = signature.bind_partial(*args, **kwargs)
        except TypeError as error:
            raise ArgumentsError(f"assert_pushed of {self.name}: {error}; its parameters are {signature}") from None
        if defaults:
            bound.apply_defaults()
        found: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                found |= value
            elif kind is inspect.Parameter.VAR_POSITIONAL:
                found |= {f"*{name}[{index}]": one for index, one in enumerate(value)}
            else:
                found[name] = value
        return found

    def __str__(self) -> str:
        channel, delay, headers = self._options
        text = shown_call(self.name, self._args, self._kwargs) + ("" if channel is None else f" in {channel}")
        return text + ("" if delay is None else f", delay {delay}") + (f", headers {dict(headers)}" if headers else "")


def name_of(job: Any) -> str:
    """Return the name under which the pushes of a job are recorded.

    Raises:
        ArgumentsError: this can't be a job.
    """
    if isinstance(job, str):
        return _checked(job)
    if isinstance(job, (Pushable, Call)):
        return job.name if isinstance(job, Pushable) else job.label or job.job.name
    if isinstance(job, (Options, Handle)) or isinstance(getattr(job, "__self__", None), (Pushable, Options)):
        raise ArgumentsError(f"the first argument must be the job itself, as in assert_pushed(send, 'anna', delay=60); got {job!r}")
    if job is None or isinstance(job, (int, float, bytes, list, tuple, dict, Queue)):
        raise ArgumentsError(f"the first argument must be a job, its name, or a callable or object that was pushed; got {job!r}")
    return label_of(job)


def _checked(name: str) -> str:
    """Return the name of a job.

    Raises:
        ArgumentsError: it is most likely misspelled, so that `assert_none_pushed` would never fail.
    """
    names = [one.name for one in _jobs()]
    if name in names:
        return name
    meant = nearest_job(name, names)
    if meant is not None:
        raise ArgumentsError(f"no job is named {name!r}; did you mean {meant!r}?")
    return name


def _jobs() -> list[Job[Any, Any]]:
    return [job for queue in list(queues) if isinstance(queue, Queue) for job in queue.jobs]


def _stored(push: Pushed, value: Any) -> Any:
    """Return an expected value as the serializer would restore it: in JSON, a tuple becomes a list."""
    serializer = serializer_of_code(Message(push.payload).body().serializer)
    if not serializer.code:
        return value
    try:
        return load_arguments(serializer, dump_arguments(serializer, (value,), {}, push.job))[0][0]
    except SerializationError:
        return value


def _is_equal(left: Any, right: Any) -> bool:
    try:
        return bool(left == right)
    except Exception:  # an array of numpy has no truth value
        return repr(left) == repr(right)


def _differs(name: str, expected: object, got: object) -> str:
    return f"{name}: expected {expected!r}, got {'nothing' if got is _MISSING else repr(got)}"
