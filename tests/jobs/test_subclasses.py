"""Subclasses of Job: `Queue(job_class=...)` and `@queue.job(job_class=...)`."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any, ParamSpec, TypeVar

import pytest

from taskq import Call, ConfigError, Handle, Job, JobDefinitionError, Queue
from taskq.jobs.job import Job as Base
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class AppJob(Job[P, R_co]):
    """A class with an attribute, a property, a private method, and ways to push."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.team = "mail"

    @property
    def label(self) -> str:
        return f"{self.name} of {self.team}"

    def push_for(self, tenant: str, *args: Any) -> Handle[Any]:
        return self._bound(tenant, *args).push()

    async def apush_for(self, tenant: str, *args: Any) -> Handle[Any]:
        return await self._bound(tenant, *args).apush()

    def soon(self, *args: Any) -> Call[Any]:
        push: Any = self
        call: Call[Any] = push.options(delay=5).bind(*args)
        return call

    def _bound(self, tenant: str, *args: Any) -> Call[Any]:
        push: Any = self
        call: Call[Any] = push.bind(tenant, *args)
        return call

    def delay(self, *args: Any) -> Handle[Any]:
        return self.push(*args)  # type: ignore[arg-type]

    @classmethod
    def class_name(cls) -> str:
        return cls.__name__

    @staticmethod
    def version() -> int:
        return 2


queue = Queue("redis://localhost:1", job_class=AppJob)


@queue.job
def mail(tenant: str, to: str) -> str:
    return tenant + to


@queue.job(job_class=Job)
def plain(to: str) -> None: ...


class Mailer:
    def __init__(self, host: str) -> None:
        self.host = host

    @queue.job
    def send(self, tenant: str, to: str) -> None: ...

    @queue.job
    @staticmethod
    def ping(tenant: str, to: str) -> None: ...


def test_all_jobs_of_the_queue_have_the_class() -> None:
    """Given a class for the queue, then its jobs have it, unless the decorator names another; the built-in jobs never have it."""
    assert {name: type(queue.jobs.get(name)).__name__ for name in queue.jobs.names()} == {
        f"{__name__}:Mailer.ping": "AppJob", f"{__name__}:Mailer.send": "AppJob", f"{__name__}:mail": "AppJob", f"{__name__}:plain": "Job",
    }  # fmt: skip
    assert {type(one) for one in queue.jobs if one.name.startswith("taskq:")} == {Base}
    other = Queue("redis://localhost:1")
    assert type(other.job(name="mail", job_class=AppJob)(mail.function)) is AppJob


def test_the_methods_work_on_bound_jobs_and_with_options(make_queue: MakeQueue, shelf: Shelf) -> None:
    """Given methods of the class, then they push from a job, from a job bound to an instance, and with the options of one push."""
    queue = make_queue(job_class=AppJob)
    job: Any = queue.job(name="mail")(lambda tenant, to: None)
    job.push_for("acme", "a")
    job.options(max_attempts=9).push_for("acme", "b")
    job.delay("acme", "c")
    assert job.options(max_attempts=9).soon("acme", "d").options.chosen() == {"max_attempts": 9, "delay": 5}
    pushed = shelf.waiting()
    assert [(one.args, one.options.get("max_attempts")) for one in pushed] == [
        (("acme", "a"), None),
        (("acme", "b"), 9),
        (("acme", "c"), None),
    ]
    bound: Any = Mailer("host").send
    call = bound._bound("acme", "d")
    assert (call.job, call.args[0].host, call.args[1:]) == (Mailer.__dict__["send"], "host", ("acme", "d"))


@pytest.mark.parametrize("one", [mail, Mailer("host").send, mail.options(delay=5), Mailer.ping])
def test_attributes_of_the_class_are_found_everywhere(one: Any) -> None:
    """Given a job, a bound job and options, then properties, attributes, class and static methods of the class are there."""
    assert one.label == f"{one.name} of mail"
    assert (one.team, one.class_name(), one.version()) == ("mail", "AppJob", 2)
    assert one.queue is queue
    assert inspect.iscoroutinefunction(one.apush_for)
    for missing in ("enqueue", "lable", "__fspath__"):
        with pytest.raises(AttributeError, match=f"no attribute '{missing}'"):
            getattr(one, missing)


def test_a_job_of_the_class_is_pickled_by_its_place() -> None:
    """Given a job of a class, then a pickle or a copy of it is the same job."""
    assert pickle.loads(pickle.dumps(mail)) is mail
    assert copy.deepcopy(mail) is mail
    call = pickle.loads(pickle.dumps(mail.bind("acme", "a")))
    assert (call.job, call()) == (mail, "acmea")


@pytest.mark.parametrize(
    ("attribute", "why"),
    [
        *((name, f"must not define {name}, because not every way to push calls it: use @queue.pushing") for name in
          ("push", "apush", "push_many", "apush_many", "bind", "options")),
        ("__call__", "must not define __call__, because a worker doesn't call it: use @queue.around"),
        *((name, f"must not define {name}: every job has it") for name in ("name", "kind", "signature", "_delayed", "__reduce__")),
        ("max_attempts", r"Mine\.max_attempts has no effect: set it with Queue\(job_defaults="),
        ("autoretry_for", "has no effect: set retries with"),
        ("on_failure", r"Mine\.on_failure has no effect: write @queue\.job\(on_fail="),
        ("before_start", "has no effect: listen to"),
        ("run", "has no effect: the decorated function"),
    ],
)  # fmt: skip
def test_an_override_that_taskq_would_not_call_is_refused(attribute: str, why: str) -> None:
    """Given a method that some pushes or the worker skip, or a class attribute of another queue, then the class can't be defined."""
    with pytest.raises(JobDefinitionError, match=why):
        type("Mine", (Job,), {attribute: lambda self: None})
    with pytest.raises(JobDefinitionError, match=why):
        type("Mine", (AppJob,), {attribute: lambda self: None})


@pytest.mark.parametrize("value", [5, Call, "AppJob", lambda *args: None])
def test_another_class_is_refused(value: Any) -> None:
    """Given something else than a subclass of Job, then the queue and the decorator raise."""
    with pytest.raises(ConfigError, match=r"^job_class must be a subclass of taskq\.Job; got "):
        Queue("redis://localhost:1", job_class=value)
    with pytest.raises(JobDefinitionError, match=r"^job_class must be a subclass of taskq\.Job; got "):
        queue.job(job_class=value)
