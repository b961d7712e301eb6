"""The jobs of a queue by name. A worker looks a message's job up here by its exact name and never imports what a message says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from taskq.errors import JobDefinitionError
from taskq.job import Job

__all__ = ["Registry", "job_name"]


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
                f"two jobs are named {job.name!r}: {_place(old)} and {_place(job)}. Rename one, or give it another name with @queue.job(name=...)"
            )
        self._jobs[job.name] = job

    def get(self, name: str) -> Job[Any, Any] | None:
        return self._jobs.get(name)

    def names(self) -> list[str]:
        """Sorted, without the built-in jobs."""
        return sorted(name for name in self._jobs if not name.startswith("taskq:"))

    def channels(self) -> set[str]:
        """The channels that jobs name in their decorators."""
        return {job.options_of_job.channel for job in self._jobs.values()}

    def __iter__(self) -> Iterator[Job[Any, Any]]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


def job_name(function: Callable[..., Any]) -> str:
    """Return `module:qualname`. A script that runs as `__main__` has the name under which a worker imports it."""
    module = function.__module__
    if module == "__main__":
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        if spec is not None and spec.name != "__main__":
            module = spec.name
        elif file is not None:
            module = Path(file).stem
    return f"{module}:{function.__qualname__}"


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
