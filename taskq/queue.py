"""The facade: a queue holds the jobs of an application and pushes their calls."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, overload

import msgspec

from taskq.config import ChannelSettings, Settings, did_you_mean, load_settings
from taskq.driver.pool import LinkPool
from taskq.errors import JobDefinitionError, UnknownChannel, UnknownJob
from taskq.handle.cancel import Cancelled
from taskq.handle.handle import Handle
from taskq.jobs.builtin import CALL, OBJECT, Handles, call_function, function_call, handle_object, object_call
from taskq.jobs.call import Call
from taskq.jobs.hooks import Hooks
from taskq.jobs.job import Job, Pushable
from taskq.jobs.options import Delay, JobOptions, OnFail
from taskq.jobs.registry import Registry, check_job_name, job_name
from taskq.jobs.retry import Backoff
from taskq.push.buffer import Buffer
from taskq.push.outbox import Outbox

__all__ = ["Queue"]

P = ParamSpec("P")
R = TypeVar("R")
Errors = type[BaseException] | Sequence[type[BaseException]]

#: The worker stands on the queue; the queue only knows its name. Resolved when `work` is called.
_WORKER = ("taskq.supervisor", "work")


class Queue(Hooks):
    """The jobs of an application, and the way to push them.

    Settings come from the arguments here, then the environment (TASKQ_*), then taskq.toml or pyproject.toml, then defaults.

    Args:
        url: the server, such as "redis://localhost:6379/0".
        channels: settings of channels, such as {"default": {"processes": 2}}.
        secret: signs every message; several, separated by commas, are all accepted, and the first signs.
        serializer: "pickle", "json" or "msgpack".
        max_message_size: in bytes, or as text such as "64MiB".
        wait_replicas: how many replicas must confirm a push.
        directory: where the settings file is looked for (and upwards), and where the embedded server keeps its data.

    Raises:
        ConfigError: a setting is unknown, of a wrong type, or out of bounds.
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
        directory: str | Path | None = None,
    ) -> None:
        arguments: dict[str, object] = {"url": url, "channels": channels, "secret": secret, "serializer": serializer}
        arguments |= {"max_message_size": max_message_size, "wait_replicas": wait_replicas, "directory": directory}
        self._configure(load_settings(arguments, start=Path(directory) if directory is not None else None))
        super().__init__()
        self.jobs = Registry()
        self._object = Job(self, handle_object, OBJECT, JobOptions())
        self._callable = Job(self, call_function, CALL, JobOptions())
        self.jobs.add(self._object)
        self.jobs.add(self._callable)

    def _configure(self, settings: Settings) -> None:
        self.settings = settings
        self._channels: dict[str, ChannelSettings] = {}
        self.outbox = Outbox(settings, self)

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle a Queue, which holds connections and may hold secrets: import it inside the function that uses it")

    def use_url(self, url: str, origin: str) -> None:
        """Send everything to another server from now on. For the worker's --url option."""
        origins = {**self.settings.origins, "url": origin}
        self._configure(msgspec.structs.replace(self.settings, url=url, origins=origins))

    # ---- jobs

    @overload
    def job(self, function: Callable[P, R], /) -> Job[P, R]: ...
    @overload
    def job(
        self,
        /,
        *,
        name: str | None = None,
        channel: str = "default",
        max_attempts: int | None = None,
        retry_seconds: float | Sequence[float] | None = None,
        backoff: Backoff | bool | None = None,
        retry_on: Errors = (),
        give_up_on: Errors = (),
        handle_timeout: float | None = None,
        on_fail: OnFail | None = None,
        on_lost: Literal["retry", "timeout"] | None = None,
        serializer: Literal["pickle", "json", "msgpack"] | None = None,
        result_ttl: float | None = None,
    ) -> Callable[[Callable[P, R]], Job[P, R]]: ...
    def job(self, function: Any = None, /, *, name: str | None = None, **options: Any) -> Any:
        """Make a function (or coroutine function, or method) a job.

        Usable with and without arguments: `@queue.job` and `@queue.job(channel="bulk", max_attempts=5)`.

        Args:
            name: in messages; default `module:qualname`.
            channel: where its calls are pushed.
            max_attempts: how many runs, the first included.
            retry_seconds: the wait before the next run; a list is indexed by attempt, its last value repeats.
            backoff: True or a Backoff: exponential waiting instead of retry_seconds.
            retry_on: only these exceptions are tried again. Default: all.
            give_up_on: these exceptions are never tried again.
            handle_timeout: seconds a run may take, 0 for no limit.
            on_fail: called once with the exception when the job has failed for good.
            on_lost: "timeout" keeps the message aside when a worker died running it; "retry" runs it again.
            serializer: "pickle", "json" or "msgpack" for its arguments and its result.
            result_ttl: seconds for which the result is kept. Default: not at all.

        Raises:
            JobDefinitionError: it can't be a job, the name is taken, or an option is out of bounds.
        """
        checked = JobOptions.checked(**options)
        if function is not None:
            return self._register(function, name, checked)
        return lambda function: self._register(function, name, checked)

    def _register(self, function: Any, name: str | None, options: JobOptions) -> Job[Any, Any]:
        if isinstance(function, Pushable):
            raise JobDefinitionError(f"{function.name} is a job already: decorate it once")
        job: Job[Any, Any] = Job(self, function, job_name(function) if name is None else check_job_name(name), options)
        self.jobs.add(job)
        return job

    # ---- pushing

    def push(self, target: Handles[R] | Call[R], *, delay: Delay = 0) -> Handle[R]:
        """Push any object with a handle() method (optional: fail(exc), max_attempts, channel), or a bound call.

        Raises as `Job.push`.
        """
        return self.send(object_call(self._object, target, delay))

    async def apush(self, target: Handles[R] | Call[R], *, delay: Delay = 0) -> Handle[R]:
        """The same from async code, without blocking the event loop."""
        return await self.asend(object_call(self._object, target, delay))

    @overload
    def call(self, function: Callable[..., R], /, *args: Any, delay: Delay, **kwargs: Any) -> Handle[R]: ...
    @overload
    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Handle[Any]:
        """Push a call of any callable by value: a lambda, a closure, a function the worker has never seen.

        Raises as `Job.push`.
        """
        return self.send(function_call(self._callable, function, args, kwargs))

    @overload
    async def acall(self, function: Callable[..., R], /, *args: Any, delay: Delay, **kwargs: Any) -> Handle[R]: ...
    @overload
    async def acall(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    async def acall(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Handle[Any]:
        """The same from async code, without blocking the event loop."""
        return await self.asend(function_call(self._callable, function, args, kwargs))

    def push_name(self, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Handle[Any]:
        """Push a job by its name, as the command line does.

        Raises:
            UnknownJob: no job of that name is registered here.
        """
        job = self.jobs.get(name)
        if job is None or job in (self._object, self._callable):
            raise UnknownJob(f"no job is named {name!r}; {did_you_mean(name, self.jobs.names())}")
        return job.options(**options).push(*args, **(kwargs or {}))

    def send(self, call: Call[R]) -> Handle[R]:
        """Push a bound call. (`call.push()` is the same.)"""
        return self.outbox.send(call)

    async def asend(self, call: Call[R]) -> Handle[R]:
        """The same from async code."""
        return await self.outbox.asend(call)

    def send_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]:
        """Push many bound calls, a round trip a batch. (`job.push_many` is the same for one job.)"""
        return self.outbox.send_many(calls)

    async def asend_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]:
        """The same from async code."""
        return await self.outbox.asend_many(calls)

    def handle(self, message_id: str, channel: str = "default") -> Handle[Any]:
        """Make the handle of a message anew, from its id and its channel. Whether there is such a message is asked when it is used.

        Raises:
            ArgumentsError: it is no id of a message: 32 hexadecimal digits.
            UnknownChannel: the channel is named neither in the settings nor by a job.
        """
        return self.outbox.handle(message_id, channel)

    def cancel(self, message_id: str, channel: str = "default", *, kill: bool = False, by: str | None = None) -> Cancelled:
        """Cancel a message by its id; as `Handle.cancel`. Raises as `handle`, too."""
        return self.handle(message_id, channel).cancel(kill=kill, by=by)

    def buffer(self) -> Buffer:
        """Return a buffer: what is pushed in its `with` (or `async with`) block, in this thread or task, is sent together.

        Sent at the end of the block, and whenever 500 pushes wait. An exception that leaves the block discards what was not sent, and
        says so in a note. The end of the block raises as `Job.push_many`.
        """
        return Buffer(self.outbox)

    # ---- working

    def work(
        self,
        *,
        burst: bool = False,
        channels: Sequence[str] = (),
        processes: int | None = None,
        concurrency: int | None = None,
        max_messages: int | None = None,
    ) -> int:
        """Run a worker here until it is told to stop (SIGTERM, Ctrl-C), or, with `burst`, until nothing is left to do.

        `processes` and `concurrency` (jobs at once in each of them) win over the settings.
        Returns the exit code: 0, or 1 when `burst` and a job ended in failed, or no process could start.
        """
        module, name = _WORKER
        run: Callable[..., int] = getattr(importlib.import_module(module), name)
        chosen = {"processes": processes, "concurrency": concurrency, "max_messages": max_messages}
        return run(self, burst=burst, channels=channels, **chosen)

    def close(self) -> None:
        """Close the connections that lie idle. The queue can be used again."""
        self.outbox.close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        await self.outbox.aclose()

    # ---- channels

    def channel_names(self) -> list[str]:
        """Every channel this application knows: those of the settings and those its jobs name."""
        return sorted({*self.settings.channels, *self.jobs.channels()})

    def channel(self, name: str) -> ChannelSettings:
        """Return a channel's settings.

        Raises:
            UnknownChannel: it stands neither in the settings nor at a job.
        """
        if (found := self._channels.get(name)) is None:
            known = self.channel_names()
            if name not in known:
                hint = did_you_mean(name, known)
                raise UnknownChannel(f"no channel is named {name!r}; {hint} (a new one is written in the settings, as [channels.{name}])")
            found = self._channels[name] = self.settings.channel_or_default(name)
        return found

    def url(self) -> str:
        """The server's URL; starts the embedded server when the settings name none and the extra is installed."""
        return self.outbox.url()

    def sender(self, channel: str) -> LinkPool:
        """The way to a channel's store."""
        return self.outbox.sender(channel)
