"""The jobs of a queue, by name. A worker looks up a message's job here by its exact name, and never imports a name from a message."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from taskq.config import nearest
from taskq.errors import JobDefinitionError
from taskq.jobs.definition import Definition
from taskq.jobs.job import Job
from taskq.jobs.options import JobOptions
from taskq.main_module import home_of, remember_script

__all__ = ["Registry", "check_job_name", "job_name", "nearest_job"]

MAX_NAME = 500
#: The prefix of the built-in jobs' names.
OWN = "taskq:"


class Registry:
    """A mapping of names to jobs."""

    def __init__(self, defaults: JobOptions | None = None) -> None:
        #: The options of a job that sets none.
        self.defaults = defaults or JobOptions()
        self._jobs: dict[str, Job[Any, Any]] = {}
        self._definitions: dict[str, Definition] = {}
        #: The names of the jobs, by their former names.
        self._by_alias: dict[str, str] = {}

    def add(self, job: Job[Any, Any]) -> None:
        """Register a job.

        Raises:
            JobDefinitionError: another function has this name or one of these aliases.
        """
        new, old = Definition.of(job.function), self._definitions.get(job.name)
        if old is not None and not new.replaces(old):
            raise JobDefinitionError(_same_name(job.name, old, new))
        self._check_aliases(job)
        self._by_alias = {alias: name for alias, name in self._by_alias.items() if name != job.name}
        self._by_alias |= dict.fromkeys(job.options_of_job.aliases, job.name)
        self._jobs[job.name] = job
        self._definitions[job.name] = new
        remember_script(job.function)

    def _check_aliases(self, job: Job[Any, Any]) -> None:
        if (other := self._by_alias.get(job.name)) is not None:
            raise JobDefinitionError(f"{job.name!r} is the name of a job and an alias of {other}: remove the alias, or rename the job")
        for alias in map(check_job_name, job.options_of_job.aliases):
            if alias == job.name or alias in self._jobs:
                raise JobDefinitionError(f"{alias!r} is the name of a job and an alias of {job.name}: remove the alias, or rename the job")
            if (other := self._by_alias.get(alias, job.name)) != job.name:
                raise JobDefinitionError(f"two jobs have the alias {alias!r}: {other} and {job.name}. Remove it from one")

    def get(self, name: str) -> Job[Any, Any] | None:
        """Return the job of a name or an alias, or None."""
        return self._jobs.get(name) or self._jobs.get(self._by_alias.get(name, ""))

    def aliases(self) -> dict[str, str]:
        """Return the names of the jobs that have aliases, by alias."""
        return dict(self._by_alias)

    def names(self) -> list[str]:
        """Return the sorted names, without the built-in jobs."""
        return sorted(name for name in self._jobs if not name.startswith(OWN))

    def channels(self) -> set[str]:
        """Return the channels that jobs define in their decorators."""
        return {job.options_of_job.channel for job in self._jobs.values()}

    def __iter__(self) -> Iterator[Job[Any, Any]]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


def job_name(function: Callable[..., Any]) -> str:
    """Return `module:qualname`. For a script that runs as `__main__`, the module is the name under which a worker imports it.

    Raises:
        JobDefinitionError: the function has no name that is the same in every process.
    """
    plain = function.__func__ if isinstance(function, (staticmethod, classmethod)) else function
    if isinstance(plain, str):
        raise JobDefinitionError(
            f'options of @queue.job are keyword arguments: @queue.job(channel="{plain}") or @queue.job(name="{plain}")'
        )
    if not callable(plain):
        raise JobDefinitionError(f"a job must be a function or a method; got {plain!r}")
    if not hasattr(plain, "__qualname__"):
        raise JobDefinitionError(f"{plain!r} has no name: name the job with @queue.job(name=...)")
    return f"{home_of(plain)}:{plain.__qualname__}"


def check_job_name(name: object) -> str:
    """Return a name given to `@queue.job(name=...)`.

    Raises:
        JobDefinitionError: the name is not valid for a job.
    """
    if isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable() and not name.startswith(OWN):
        return name
    raise JobDefinitionError(f"invalid job name {name!r}: use 1 to {MAX_NAME} printable characters that don't begin with {OWN!r}")


def nearest_job(name: str, names: Collection[str]) -> str | None:
    """Return the job that a name without its module, or with a typing error, probably means, or None."""
    return next((one for one in names if one.endswith(f":{name}")), None) or nearest(name, names)


def _same_name(name: str, old: Definition, new: Definition) -> str:
    if old.place != new.place:
        return f"two jobs have the name {name!r}: {old.place} and {new.place}. Rename one, or name each with @queue.job(name=...)"
    return (
        f"two jobs have the name {name!r}: both come from {new.place}. If a decorator makes them, let it use functools.wraps, "
        "or name each with @queue.job(name=...)"
    )
