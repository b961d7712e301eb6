"""The decorator of a queue, `@queue.job`, and the jobs that it makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from taskq.errors import ConfigError, JobDefinitionError
from taskq.jobs.builtin import CALL, OBJECT, call_function, handle_object
from taskq.jobs.call import Pusher
from taskq.jobs.defaults import JobDefaults
from taskq.jobs.job import Job, Pushable
from taskq.jobs.options import JobChoices, JobOptions
from taskq.jobs.registry import Registry, check_job_name, job_name

__all__ = ["JobDecorator", "JobMaker"]

P = ParamSpec("P")
R = TypeVar("R")
J = TypeVar("J", bound=Job[..., Any])
#: The class of a job, as type checkers see it: it makes a `Job[P, R]` from a function with these types.
JobMaker = Callable[[Pusher, Callable[P, R], str, JobOptions], J]


class JobDecorator:
    """The decorator `@queue.job`, and the jobs of the queue. A queue inherits it."""

    def _prepare_jobs(self, job_defaults: object, job_class: object) -> None:
        """Make the registry with the two built-in jobs, and keep the defaults.

        Raises:
            ConfigError: a default is unknown or invalid, or the class is not a subclass of Job.
        """
        self._job_class = Job if job_class is None else _checked_class(job_class, ConfigError)
        self._job_defaults = JobDefaults(job_defaults)
        self.jobs = Registry(self._job_defaults.options)
        queue: Any = self
        self._object = Job(queue, handle_object, OBJECT, self._job_defaults.options)
        self._callable = Job(queue, call_function, CALL, self._job_defaults.options)
        self.jobs.add(self._object)
        self.jobs.add(self._callable)

    @overload
    def job(self, function: Callable[P, R], /) -> Job[P, R]: ...
    @overload
    def job(
        self, /, *, job_class: JobMaker[P, R, J], name: str | None = None, **options: Unpack[JobChoices]
    ) -> Callable[[Callable[P, R]], J]: ...
    @overload
    def job(self, /, *, name: str | None = None, **options: Unpack[JobChoices]) -> Callable[[Callable[P, R]], Job[P, R]]: ...
    def job(self, function: Any = None, /, *, name: str | None = None, job_class: Any = None, **options: Any) -> Any:
        """Decorate a function, coroutine function, generator function or method to make it a job.

        Use it with or without options: `@queue.job`, or `@queue.job(channel="bulk", max_attempts=5)`. An option that is not
        given (None) comes from the queue's `job_defaults`, then from the settings of the channel or the queue.

        Args:
            name: the job's name in messages. Default: `module:qualname`.
            job_class: a subclass of `Job`, which may add methods. Default: that of the queue.
            channel: the channel that its calls are pushed to.
            max_attempts: the maximum number of attempts, including the first run (int, 1 to 65535).
            retry_seconds: the retry delay in seconds. A list gives one delay per attempt; its last value repeats.
            backoff: True or a `Backoff`, for exponential retry delays. Excludes `retry_seconds`.
            retry_on: one exception class or several: only these are retried. Default: all.
            give_up_on: one exception class or several: these are never retried.
            handle_timeout: the time limit of one run in seconds; 0 for no limit.
            on_fail: a function of one argument, called once with the exception after the last failed attempt.
            on_lost: what to do with a message whose worker crashed: `"retry"` runs it again, `"timeout"` moves it to `timeout`.
            serializer: `"pickle"`, `"json"` or `"msgpack"`, for the arguments and the result.
            validate: True to check arguments and results by the type hints. Default: for `"json"` and `"msgpack"`.
            aliases: former names of the job. Workers run messages that were pushed under them.
            result_ttl: the time in seconds for which the result is stored. Default: 0, results are not stored.

        Raises:
            JobDefinitionError: the function can't be a job, its name is taken, or an option is unknown or invalid.
        """
        if not isinstance(self, JobDecorator):  # it would return without an error, and define no job
            raise JobDefinitionError("@Queue.job must be used on an instance: write queue = Queue(), then @queue.job")
        kind = self._job_class if job_class is None else _checked_class(job_class, JobDefinitionError)
        checked = self._job_defaults.with_options(options)
        if function is not None:
            return self._register(kind, function, name, checked)
        return lambda function: self._register(kind, function, name, checked)

    def _register(self, kind: type[Job[Any, Any]], function: Any, name: str | None, options: JobOptions) -> Job[Any, Any]:
        if isinstance(function, Pushable):
            raise JobDefinitionError(f"{function.name} is already a job: decorate it only once")
        queue: Any = self
        job = kind(queue, function, job_name(function) if name is None else check_job_name(name), options)
        self.jobs.add(job)
        return job


def _checked_class(value: object, error: type[Exception]) -> type[Job[Any, Any]]:
    if isinstance(value, type) and issubclass(value, Job):
        return value
    raise error(f"job_class must be a subclass of taskq.Job; got {value!r}")
