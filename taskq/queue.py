"""The facade: a queue holds the jobs of an application, pushes their calls and runs workers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, overload

import msgspec

from taskq.config import ChannelSettings, Settings, did_you_mean, load_settings
from taskq.driver.pool import LinkPool
from taskq.errors import UnknownChannel
from taskq.handle.cancel import Cancelled
from taskq.handle.handle import Handle
from taskq.jobs.builtin import SupportsHandle, function_call, object_call
from taskq.jobs.call import Call
from taskq.jobs.decorator import JobDecorator
from taskq.jobs.hooks import Hooks, queues
from taskq.jobs.job import Job
from taskq.jobs.named import named_call
from taskq.jobs.options import Delay, JobChoices, PushChoices
from taskq.other_queues.attributes import hints
from taskq.push.buffer import Buffer
from taskq.push.headers import WithHeaders
from taskq.push.hooks import PushHooks
from taskq.push.outbox import Outbox

__all__ = ["Queue"]

P = ParamSpec("P")
R = TypeVar("R")

#: The worker imports the queue, so the queue knows the worker by name only. `work()` imports it.
_WORKER = ("taskq.supervisor", "work")


class Queue(Hooks, JobDecorator, PushHooks, WithHeaders):
    """The jobs of an application, and the methods that push and run them.

    Each setting is read from four sources; the first match wins: the arguments, the environment variables (`TASKQ_*`),
    the settings file (`taskq.toml` or `pyproject.toml`), and the defaults.

    Args:
        url: the URL of the server, such as `"redis://localhost:6379/0"`.
        channels: settings by channel, such as `{"default": {"processes": 2}}`.
        secret: the secret that signs every message. Separate several with commas: the first signs, all are accepted.
        serializer: the serializer of arguments and results: `"pickle"`, `"json"` or `"msgpack"`.
        max_message_size: the largest message that can be pushed: bytes (int), or text such as `"64MiB"`.
        wait_replicas: the number of replicas that must confirm a push.
        imports: modules, or patterns such as `"shop.*.jobs"`, that workers and commands import with the app.
        directory: the directory of the embedded server's data. The search for a settings file starts here and goes upwards.
        job_defaults: options for all jobs, such as `{"max_attempts": 5}`: any option of `@queue.job` except `name`, which comes first.
        job_class: the class of all jobs: a subclass of `Job`.

    Raises:
        ConfigError: a setting or a job default is unknown, has the wrong type, or is out of bounds.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        channels: Mapping[str, Mapping[str, object]] | None = None,
        secret: str | None = None,
        serializer: str | None = None,
        max_message_size: int | str | None = None,
        wait_replicas: int | None = None,
        imports: Sequence[str] | None = None,
        directory: str | Path | None = None,
        job_defaults: JobChoices | None = None,
        job_class: type[Job[..., Any]] | None = None,
    ) -> None:
        arguments: dict[str, object] = {"url": url, "channels": channels, "secret": secret, "serializer": serializer}
        arguments |= {"max_message_size": max_message_size, "wait_replicas": wait_replicas, "imports": imports, "directory": directory}
        self._configure(load_settings(arguments, start=Path(directory) if directory is not None else None))
        super().__init__()
        self._prepare_jobs(job_defaults, job_class)
        queues.add(self)  # last: not if the constructor fails

    def _configure(self, settings: Settings) -> None:
        self.settings = settings
        self._channels: dict[str, ChannelSettings] = {}
        self.outbox = Outbox(settings, self)

    if not TYPE_CHECKING:
        __getattr__ = hints("queue")

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle a Queue: it holds connections and may hold secrets. Import it inside the function that uses it")

    def use_url(self, url: str, origin: str) -> None:
        """Switch to another server. For the worker's `--url` option."""
        origins = {**self.settings.origins, "url": origin}
        self._configure(msgspec.structs.replace(self.settings, url=url, origins=origins))

    def has_pickle_jobs(self) -> bool:
        """Return True if a job was defined with the pickle serializer, for that job alone."""
        return any(job.options_of_job.serializer == "pickle" for job in self.jobs)

    # ---- pushing

    def push(self, target: SupportsHandle[R] | Call[R], *, delay: Delay = 0) -> Handle[R]:
        """Push an object that has a `handle()` method, or a bound call.

        The worker calls `handle()`. The object may also have `fail(exception)`, called after the last failed attempt, and the
        attributes `max_attempts`, `channel` and `result_ttl`.

        Args:
            target: the object, which must be picklable, or a `Call`.
            delay: the time until it may run: seconds (int or float) or a timedelta.

        Raises:
            ArgumentsError: the target has no `handle()` method, or that is a generator function.
            ConfigError: the target's `max_attempts`, `channel` or `result_ttl` is invalid.
            PushError, PushOutcomeUnknown, ServerError: as in `Job.push`.
        """
        return self.send(object_call(self._object, target, delay))

    async def apush(self, target: SupportsHandle[R] | Call[R], *, delay: Delay = 0) -> Handle[R]:
        """Push an object or a bound call without blocking the event loop. Async version of `push`."""
        return await self.asend(object_call(self._object, target, delay))

    @overload
    def call(self, function: Callable[..., R], /, *args: Any, delay: Delay, **kwargs: Any) -> Handle[R]: ...
    @overload
    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Handle[Any]:
        """Push a call of any callable by value: a lambda, a closure, or a function that the worker can't import.

        The code of the callable travels with the message, so the queue needs the pickle serializer.

        Args:
            function: the callable. A job is pushed as itself.
            args: its positional arguments.
            kwargs: its keyword arguments, except `delay`: the time until the call may run, in seconds or as a timedelta.

        Raises:
            ArgumentsError: the object is not callable, is a generator function, or doesn't accept the arguments.
            PushError, PushOutcomeUnknown, ServerError: as in `Job.push`.
        """
        return self.send(function_call(self._callable, function, args, kwargs))

    @overload
    async def acall(self, function: Callable[..., R], /, *args: Any, delay: Delay, **kwargs: Any) -> Handle[R]: ...
    @overload
    async def acall(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    async def acall(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Handle[Any]:
        """Push a call of any callable without blocking the event loop. Async version of `call`."""
        return await self.asend(function_call(self._callable, function, args, kwargs))

    def push_name(
        self, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Unpack[PushChoices]
    ) -> Handle[Any]:
        """Push a job by its name. The program need not have the job: only the workers must.

        Args:
            name: the full name of the job, such as `"shop.jobs:send_email"`.
            args: the positional arguments of the job.
            kwargs: the keyword arguments of the job.
            options: the options of this push; see `Job.options`. For a job that the program doesn't have, all that
                its decorator sets for the push: the channel (default: `default`) and `result_ttl` (default: 0).

        Raises:
            UnknownJob: the name is not valid; or the program has jobs of the same module, and none with that name.
            ArgumentsError: `args` or `kwargs` has the wrong type, or the arguments don't match the job's signature.
            ConfigError: an option is unknown or invalid.
            PushError, PushOutcomeUnknown, ServerError: as in `Job.push`.
        """
        return self.send(named_call(self, self.jobs, name, args, kwargs, options))

    async def apush_name(
        self, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Unpack[PushChoices]
    ) -> Handle[Any]:
        """Push a job by its name without blocking the event loop. Async version of `push_name`."""
        return await self.asend(named_call(self, self.jobs, name, args, kwargs, options))

    def send(self, call: Call[R]) -> Handle[R]:
        """Push a bound call; the same as `call.push()`. Raises the errors of `Job.push`."""
        return self.outbox.send(call)

    async def asend(self, call: Call[R]) -> Handle[R]:
        """Push a bound call without blocking the event loop. Async version of `send`."""
        return await self.outbox.asend(call)

    def send_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]:
        """Push many bound calls, of any jobs, with one round trip per batch of 500. For calls of one job, use `Job.push_many`.

        All calls are checked and serialized before the first is sent. Raises the errors of `Job.push_many`.
        """
        return self.outbox.send_many(calls)

    async def asend_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]:
        """Push many bound calls without blocking the event loop. Async version of `send_many`."""
        return await self.outbox.asend_many(calls)

    def handle(self, message_id: str, channel: str = "default") -> Handle[Any]:
        """Recreate the handle of a message from its id and channel.

        This sends no command: whether the message exists shows when the handle is used.

        Args:
            message_id: the `id` of the handle that `push` returned (32 hexadecimal digits).
            channel: the channel that the message was pushed to.

        Raises:
            ArgumentsError: the id is not valid, or the channel is not a string.
            UnknownChannel: neither the settings nor a job define the channel.
        """
        return self.outbox.handle(message_id, channel)

    def cancel(self, message_id: str, channel: str = "default", *, kill: bool = False, by: str | None = None) -> Cancelled:
        """Cancel a message by its id. Combines `handle` and `Handle.cancel`, and raises the errors of both."""
        return self.handle(message_id, channel).cancel(kill=kill, by=by)

    def buffer(self) -> Buffer:
        """Return a buffer that collects the pushes of its `with` (or `async with`) block and sends them together.

        It collects the pushes of this thread or task only. See `Buffer`.
        """
        return Buffer(self.outbox)

    # ---- working

    def work(
        self,
        *,
        burst: bool = False,
        wait_delayed: Delay = 0,
        channels: Sequence[str] = (),
        processes: int | None = None,
        concurrency: int | None = None,
        max_messages: int | None = None,
    ) -> int:
        """Run a worker in this process until SIGTERM or Ctrl-C or, in burst mode, until the queue is empty.

        Args:
            burst: exit when no message is waiting, running or due.
            wait_delayed: with `burst`, also wait for messages and retries that are due within this time: seconds or a timedelta.
            channels: the channels to consume. Default: all.
            processes: the number of worker processes per channel. Default: the setting of each channel.
            concurrency: the number of concurrent jobs per process. Default: the setting of each channel.
            max_messages: replace a process after this many jobs; 0 for never. Default: the setting of each channel.

        Returns:
            The exit code: 0, or 1 if a job failed permanently in burst mode, or if no worker process could start.
        """
        module, name = _WORKER
        run: Callable[..., int] = getattr(importlib.import_module(module), name)
        chosen = {"processes": processes, "concurrency": concurrency, "max_messages": max_messages}
        return run(self, burst=burst, wait_delayed=wait_delayed, channels=channels, **chosen)

    def close(self) -> None:
        """Close the idle connections. The queue stays usable: the next push opens a new connection."""
        self.outbox.close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        await self.outbox.aclose()

    # ---- channels

    def channel_names(self) -> list[str]:
        """Return the names of all known channels: those in the settings and those that jobs define."""
        return sorted({*self.settings.channels, *self.jobs.channels()})

    def channel(self, name: str) -> ChannelSettings:
        """Return the settings of a channel.

        Raises:
            UnknownChannel: neither the settings nor a job define the channel.
        """
        if (found := self._channels.get(name)) is None:
            known = self.channel_names()
            if name not in known and self.settings.pattern_of(name) is None:
                hint = did_you_mean(name, [*known, *self.settings.patterns])
                raise UnknownChannel(f"unknown channel {name!r}; {hint} (define a new channel in the settings: [channels.{name}])")
            found = self._channels[name] = self.settings.channel_or_default(name)
        return found

    def url(self) -> str:
        """Return the server's URL. Starts the embedded server if no URL is set and the extra `embedded` is installed."""
        return self.outbox.url()

    def sender(self, channel: str) -> LinkPool:
        """Return the pool of connections that sends commands to a channel's server."""
        return self.outbox.sender(channel)
