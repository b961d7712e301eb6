"""Calls of jobs by name, including jobs that only the workers have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from taskq.config import did_you_mean, nearest
from taskq.errors import ArgumentsError, JobDefinitionError, UnknownJob
from taskq.jobs.call import Call, Pusher
from taskq.jobs.options import PLAIN, JobOptions, PushChoices
from taskq.jobs.parameters import Signature
from taskq.jobs.registry import Registry, check_job_name

__all__ = ["missing_function", "named_call"]


def missing_function(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Replace the function of a job that this program doesn't have. It accepts any arguments: the worker checks them.

    Raises:
        UnknownJob: always.
    """
    raise UnknownJob("this program doesn't have the job, so only a worker can run it")


_ANY = Signature(missing_function)


class NamedJob:
    """A job that only the workers have."""

    function = staticmethod(missing_function)
    signature = _ANY

    def __init__(self, queue: Pusher, name: str, options: JobOptions) -> None:
        self.queue = queue
        self.options_of_job = options
        self.name = name


def named_call(queue: Pusher, jobs: Registry, name: str, args: Any, kwargs: Any, options: PushChoices) -> Call[Any]:
    """Return a call of a job, by its full name. If the queue doesn't have the job, its worker checks the arguments.

    Raises:
        UnknownJob: the name is not valid, or most likely misspelled.
        ArgumentsError: `args` or `kwargs` has the wrong type, or the arguments don't match the signature of the queue's job.
        ConfigError: an option is unknown or invalid.
    """
    try:
        check_job_name(name)
    except JobDefinitionError as error:
        raise UnknownJob(f"{error}; expected the full name of a job, such as shop.jobs:send_email") from None
    if isinstance(args, (str, bytes, Mapping)) or not isinstance(args, Iterable):
        raise ArgumentsError(f"the arguments of {name} must be a list or a tuple; got {args!r}")
    if kwargs is not None and not (isinstance(kwargs, Mapping) and all(isinstance(key, str) for key in kwargs)):
        raise ArgumentsError(f"the keyword arguments of {name} must be a dict with names as keys; got {kwargs!r}")
    job = jobs.get(name)
    if job is not None:
        return job.options(**options).bind(*args, **(kwargs or {}))
    _check_spelling(name, jobs.names())
    return Call(NamedJob(queue, name, jobs.defaults), tuple(args), dict(kwargs or {}), PLAIN.with_changes({**options}))


def _check_spelling(name: str, known: list[str]) -> None:
    """Refuse a name whose module this program has imported, or a name without a module that resembles a job's.

    Raises:
        UnknownJob: it is one of these.
    """
    module, colon, _ = name.partition(":")
    is_here = bool(colon) and any(one.startswith(f"{module}:") for one in known)
    ends = [one for one in known if not colon and one.endswith((f":{name}", f".{name}"))]
    if len(ends) == 1:
        raise UnknownJob(f'unknown job {name!r}; did you mean "{ends[0]}"?')
    if ends or is_here or (not colon and nearest(name, known) is not None):
        raise UnknownJob(f"unknown job {name!r}; {did_you_mean(name, known)}")
