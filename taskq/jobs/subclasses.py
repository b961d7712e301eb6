"""Subclasses of Job, for `job_class=`: what they may define, and their attributes on bound jobs and on `job.options(...)`."""

from __future__ import annotations

from typing import Any

from taskq.errors import JobDefinitionError
from taskq.jobs.options import JobOptions
from taskq.other_queues.attributes import hints

__all__ = ["attribute_of_class", "check_subclass"]

_PUSH = "use @queue.pushing for code at every push, or give the method another name"
_RUN = "use @queue.around for code around every run"
#: Methods that some ways to push or to run a job don't call, so a subclass must not replace them.
_FIXED = {
    **dict.fromkeys(("push", "apush", "push_many", "apush_many", "bind", "options"), f"not every way to push calls it: {_PUSH}"),
    "__call__": f"a worker doesn't call it: {_RUN}",
}
#: Attributes of every job, besides those of its class.
_OF_JOBS = {"name", "queue", "function", "kind", "options_of_job", "_job", "_first", "_signature", "__get__", "__reduce__"}
#: The module of Job. Its attributes are not looked up for other objects.
_BASE = "taskq.jobs.job"
_hints = hints("job")


def check_subclass(kind: type) -> None:
    """Check the attributes of a subclass of Job.

    Raises:
        JobDefinitionError: an attribute replaces a method that taskq doesn't always call, or would have no effect.
    """
    from taskq.other_queues.words import SUBCLASS  # only a few applications define a class

    bases = [base for base in kind.__mro__ if base.__module__ == _BASE]
    for name in vars(kind):
        if name in _FIXED:
            raise JobDefinitionError(f"{kind.__name__} must not define {name}, because {_FIXED[name]}")
        if name in _OF_JOBS or any(name in vars(base) for base in bases if not name.startswith("__")):
            raise JobDefinitionError(f"{kind.__name__} must not define {name}: every job has it")
        if name in JobOptions.__struct_fields__:
            raise JobDefinitionError(f"{kind.__name__}.{name} has no effect: set it with Queue(job_defaults=...) or @queue.job({name}=...)")
        if name in SUBCLASS:
            raise JobDefinitionError(f"{kind.__name__}.{name} has no effect: {SUBCLASS[name]}")


def attribute_of_class(self: Any, name: str) -> Any:
    """Return an attribute of a job for a job bound to an instance, or for `job.options(...)`: as `__getattr__` of their classes.

    A method that a subclass of Job defines is bound to that object, so that it pushes with its instance or options.

    Raises:
        AttributeError: the job has no such attribute either.
    """
    if name == "_job" or name.startswith("__"):  # while it is made or unpickled
        return _hints(self, name)
    job = self._job
    for kind in type(job).__mro__:
        if kind.__module__ == _BASE:
            break
        if name in vars(kind):
            found = vars(kind)[name]
            return found.__get__(self, type(job)) if hasattr(found, "__get__") else found
    return vars(job)[name] if name in vars(job) else _hints(self, name)
