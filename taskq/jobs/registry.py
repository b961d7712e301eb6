"""The jobs of a queue by name. A worker looks a message's job up here by its exact name and never imports what a message says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from taskq.errors import JobDefinitionError
from taskq.jobs.job import Job, home_of

__all__ = ["Registry", "check_job_name", "job_name"]

MAX_NAME = 500
#: The names of the built-in jobs begin with it.
OWN = "taskq:"


class Registry:
    """Name to job."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job[Any, Any]] = {}

    def add(self, job: Job[Any, Any]) -> None:
        """Register a job.

        Raises:
            JobDefinitionError: the name is taken by another function.
        """
        old = self._jobs.get(job.name)
        # A notebook's cell or a reloaded module defines the same function again: the new one counts.
        if old is not None and not _is_redefinition(old, job):
            raise JobDefinitionError(
                f"two jobs are named {job.name!r}: {_place(old)} and {_place(job)}. "
                "Rename one, or give it another name with @queue.job(name=...)"
            )
        self._jobs[job.name] = job

    def get(self, name: str) -> Job[Any, Any] | None:
        return self._jobs.get(name)

    def names(self) -> list[str]:
        """Sorted, without the built-in jobs."""
        return sorted(name for name in self._jobs if not name.startswith(OWN))

    def channels(self) -> set[str]:
        """The channels that jobs name in their decorators."""
        return {job.options_of_job.channel for job in self._jobs.values()}

    def __iter__(self) -> Iterator[Job[Any, Any]]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


def job_name(function: Callable[..., Any]) -> str:
    """Return `module:qualname`. A script that runs as `__main__` has the name under which a worker imports it.

    Raises:
        JobDefinitionError: the function has no name that is the same in every process.
    """
    plain = function.__func__ if isinstance(function, (staticmethod, classmethod)) else function
    if isinstance(plain, str):
        raise JobDefinitionError(f'options of a job have names: write @queue.job(channel="{plain}") or @queue.job(name="{plain}")')
    if not callable(plain):
        raise JobDefinitionError(f"a job must be a function or a method, not {plain!r}")
    if not hasattr(plain, "__qualname__"):
        raise JobDefinitionError(f"{plain!r} has no name of its own: give the job one with @queue.job(name=...)")
    return f"{home_of(plain)}:{plain.__qualname__}"


def check_job_name(name: object) -> str:
    """Return a name that `@queue.job(name=...)` gave.

    Raises:
        JobDefinitionError: it can't name a job.
    """
    if isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable() and not name.startswith(OWN):
        return name
    raise JobDefinitionError(f"{name!r} can't name a job: use 1 to {MAX_NAME} printable characters that don't begin with {OWN!r}")


def _is_redefinition(old: Job[Any, Any], new: Job[Any, Any]) -> bool:
    before, after = getattr(old.function, "__code__", None), getattr(new.function, "__code__", None)
    if before is None or after is None:
        return False
    if old.function.__module__ == "__main__" and not getattr(sys.modules["__main__"], "__file__", None):
        return True
    return (before.co_filename, before.co_firstlineno) == (after.co_filename, after.co_firstlineno)


def _place(job: Job[Any, Any]) -> str:
    code = getattr(job.function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(job.function)
