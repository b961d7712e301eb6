"""The options of a job (given to its decorator) and of one push, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypedDict

import msgspec

from taskq.channel import check_channel_name
from taskq.clock import MAX_DELAY
from taskq.config import no_option
from taskq.errors import ConfigError, JobDefinitionError
from taskq.jobs.retry import Backoff, check_retry_seconds
from taskq.wire.codec import check_serializer
from taskq.wire.headers import check_headers

__all__ = ["PLAIN", "Delay", "JobChoices", "JobOptions", "OnFail", "PushChoices", "PushOptions"]

#: Seconds, or a timedelta.
Delay = float | timedelta
#: A job's callback, called once with the exception of the last failed attempt.
OnFail = Callable[[BaseException], object]
#: One exception class or several.
Errors = type[BaseException] | Sequence[type[BaseException]]


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a job. None: the channel's setting applies."""

    channel: str = "default"
    max_attempts: int | None = None
    retry_seconds: tuple[float, ...] | None = None
    backoff: Backoff | None = None
    retry_on: tuple[type[BaseException], ...] = ()
    give_up_on: tuple[type[BaseException], ...] = ()
    handle_timeout: float | None = None
    on_fail: OnFail | None = None
    on_lost: Literal["retry", "timeout"] | None = None
    serializer: str | None = None
    #: True: check the arguments and results by the type hints; False: don't; None: as the serializer needs it.
    validate: bool | None = None
    #: Former names of the job, under which messages may still be stored.
    aliases: tuple[str, ...] = ()
    #: The time in seconds for which the result is stored; 0: not stored.
    result_ttl: float = 0

    @classmethod
    def checked(cls, **options: Any) -> JobOptions:
        """Return the options from the arguments of a decorator.

        Raises:
            JobDefinitionError: an option is unknown, out of bounds, or of the wrong type.
        """
        for name in options:
            if name not in cls.__struct_fields__:
                raise JobDefinitionError(no_option("@queue.job", name, ["name", "job_class", *cls.__struct_fields__]))
        try:
            return cls(**_check_job_options(options))
        except ConfigError as error:
            raise JobDefinitionError(str(error)) from None


class JobChoices(TypedDict, total=False):
    """The options of `@queue.job(...)` and `Queue(job_defaults={...})`, for type checkers. The names are those of `JobOptions`."""

    channel: str
    max_attempts: int | None
    retry_seconds: float | Sequence[float] | None
    backoff: Backoff | bool | None
    retry_on: Errors
    give_up_on: Errors
    handle_timeout: float | None
    on_fail: OnFail | None
    on_lost: Literal["retry", "timeout"] | None
    serializer: Literal["pickle", "json", "msgpack"] | None
    validate: bool | None
    aliases: Sequence[str]
    result_ttl: float | None


class PushChoices(TypedDict, total=False):
    """The arguments of `options(...)`, for type checkers. The names are those of `PushOptions`."""

    delay: Delay
    at: datetime | float | None
    channel: str | None
    max_attempts: int | None
    retry_seconds: float | timedelta | Sequence[float | timedelta] | None
    handle_timeout: float | None
    result_ttl: float | None
    once: bool
    headers: Mapping[str, str] | None


class PushOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one push. None: the option of the job or the setting of the channel applies."""

    delay: Delay = 0
    at: datetime | float | None = None
    channel: str | None = None
    max_attempts: int | None = None
    retry_seconds: tuple[float, ...] | None = None
    handle_timeout: float | None = None
    result_ttl: float | None = None
    once: bool = False
    headers: dict[str, str] | None = None

    def with_changes(self, changes: dict[str, Any]) -> PushOptions:
        """Return a copy of the options with changes.

        Raises:
            ConfigError: an option is unknown or invalid, or both `delay` and `at` are given.
        """
        for name in changes:
            if name not in self.__struct_fields__:
                raise ConfigError(no_option("options()", name, self.__struct_fields__))
        if changes.get("retry_seconds") is not None:
            changes["retry_seconds"] = check_retry_seconds(changes["retry_seconds"])
        if changes.get("channel") is not None:
            check_channel_name(changes["channel"])
        if changes.get("headers") is not None:
            changes["headers"] = check_headers(changes["headers"])
        if type(changes.get("once", False)) is not bool:
            raise ConfigError(f"once must be True or False; got {changes['once']!r}")
        check_counts(changes)
        new = msgspec.structs.replace(self, **changes)
        if new.delay and new.at is not None:
            raise ConfigError("delay (seconds from now) and at (a point in time) are mutually exclusive")
        return new

    def chosen(self) -> dict[str, Any]:
        """Return the options that differ from the defaults."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) != getattr(PLAIN, name)}

    def with_defaults(self, defaults: PushOptions) -> PushOptions:
        """Return a copy of other options, with those that are set here. Headers are merged."""
        changes = self.chosen()
        if self.headers and defaults.headers:
            changes["headers"] = {**defaults.headers, **self.headers}
        return defaults.with_changes(changes)

    def __reduce__(self) -> Any:
        # A bound call may be an argument of a message. Without the default values, a worker of an earlier version can read it.
        return partial(PushOptions, **self.chosen()), ()


#: The options of nearly every push: all defaults.
PLAIN = PushOptions()


def _check_job_options(options: dict[str, Any]) -> dict[str, Any]:
    check_channel_name(options.get("channel", "default"))
    check_counts(options)
    if options.get("retry_seconds") is not None:
        options["retry_seconds"] = check_retry_seconds(options["retry_seconds"])
    if options.get("backoff") and options.get("retry_seconds") is not None:
        raise ConfigError("retry_seconds and backoff are mutually exclusive")
    if options.get("backoff") is not None:
        options["backoff"] = _backoff(options["backoff"])
    for name in ("retry_on", "give_up_on"):
        options[name] = _classes(name, options.get(name, ()))
    if options.get("serializer") is not None:
        check_serializer(options["serializer"])
    if options.get("validate") not in (None, True, False):
        raise ConfigError(f"validate must be True or False; got {options['validate']!r}")
    options["aliases"] = _aliases(options.get("aliases", ()))
    if options.get("on_lost") not in (None, "retry", "timeout"):
        raise ConfigError(f"on_lost must be 'retry' or 'timeout'; got {options['on_lost']!r}")
    if options.get("on_fail") is not None and not callable(options["on_fail"]):
        raise ConfigError(f"on_fail must be callable; got {options['on_fail']!r}")
    if options.get("result_ttl") is None:
        options.pop("result_ttl", None)
    return options


def _aliases(value: Any) -> tuple[str, ...]:
    if isinstance(value, (tuple, list)) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise ConfigError(f"aliases must be a list of names; got {value!r}")


def _backoff(value: Any) -> Backoff | None:
    if isinstance(value, Backoff):
        return value
    if isinstance(value, bool):
        return Backoff() if value else None
    raise ConfigError(f"backoff must be True or a taskq.Backoff; got {value!r}")


def _classes(name: str, value: Any) -> tuple[type[BaseException], ...]:
    classes = tuple(value) if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    for one in classes:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise ConfigError(f"{name} must be one or more exception classes; got {one!r}")
    return classes


def check_counts(options: dict[str, Any]) -> None:
    """Check the numeric options that jobs and pushes share.

    Raises:
        ConfigError: `max_attempts`, `handle_timeout` or `result_ttl` is out of bounds.
    """
    attempts = options.get("max_attempts")
    if attempts is not None and (type(attempts) is not int or not 1 <= attempts <= 65535):
        raise ConfigError(f"max_attempts must be an integer from 1 to 65535 (the first run counts); got {attempts!r}")
    timeout = options.get("handle_timeout")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 <= timeout <= MAX_DELAY):
        raise ConfigError(f"handle_timeout must be a number of seconds from 0 (no limit) to ten years; got {timeout!r}")
    ttl = options.get("result_ttl")
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or not (ttl == 0 or 0.001 <= ttl <= MAX_DELAY)):
        raise ConfigError(f"result_ttl must be 0 (don't store) or 0.001 s to 10 years; got {ttl!r}")
