"""The defaults of all jobs of a queue: `Queue(job_defaults={...})`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskq.config import no_option
from taskq.errors import ArgumentsError, ConfigError, JobDefinitionError
from taskq.jobs.options import JobOptions
from taskq.jobs.parameters import Signature

__all__ = ["JobDefaults"]

_WHERE = "job_defaults"
#: Each job has separate ones.
_OF_ONE_JOB = {"name": "a name", "aliases": "aliases", "job_class": "a class: use Queue(job_class=...)"}


class JobDefaults:
    """Options for the jobs of a queue whose decorators don't set them.

    Raises:
        ConfigError: an option is unknown or invalid, or belongs to one job.
    """

    def __init__(self, given: object) -> None:
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(f'{_WHERE} must be a dict of options of @queue.job, such as {{"max_attempts": 5}}; got {given!r}')
        self._given: dict[str, Any] = {name: value for name, value in dict(given or {}).items() if value is not None}
        known = [name for name in JobOptions.__struct_fields__ if name not in _OF_ONE_JOB]
        for name in self._given:
            if name in _OF_ONE_JOB:
                raise ConfigError(f"{_WHERE} can't set {name!r}: each job has {_OF_ONE_JOB[name]}")
            if name not in known:
                raise ConfigError(no_option(_WHERE, str(name), known))
        try:
            #: The options of a job whose decorator sets none.
            self.options = JobOptions.checked(**self._given)
        except JobDefinitionError as error:
            raise ConfigError(f"{_WHERE}: {error}") from None
        if self.options.on_fail is not None:
            try:
                Signature(self.options.on_fail).check("on_fail", (None,), {})
            except ArgumentsError as error:
                raise ConfigError(f"{_WHERE}: on_fail must accept the exception as its only argument: {error}") from None

    def with_options(self, given: dict[str, Any]) -> JobOptions:
        """Return the options of a job from the arguments of its decorator, which come before the defaults. None: not given.

        Raises:
            JobDefinitionError: an option is unknown or invalid.
        """
        if not self._given:
            return JobOptions.checked(**given)
        options = self._given | {name: value for name, value in given.items() if value is not None}
        # Only one of the two applies: that of the decorator.
        if given.get("retry_seconds") is not None and not given.get("backoff"):
            options.pop("backoff", None)
        elif given.get("backoff") and given.get("retry_seconds") is None:
            options.pop("retry_seconds", None)
        return JobOptions.checked(**options)
