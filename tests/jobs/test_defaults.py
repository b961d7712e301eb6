"""Defaults of all jobs: `Queue(job_defaults={...})`."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import Backoff, ConfigError, JobDefinitionError, Queue
from taskq.jobs.options import JobOptions
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.worker.conftest import Bench

CHANNEL = {"default": {"max_attempts": 7, "retry_seconds": [1, 2], "handle_timeout": 9}}


def add(a: int, b: int = 2) -> int:
    return a + b


class Report:
    def handle(self) -> None: ...


class Fixed:
    max_attempts = 2

    def handle(self) -> None: ...

    def fail(self, error: BaseException) -> None: ...


@pytest.mark.parametrize(
    ("defaults", "decorator", "push", "expected"),
    [
        ({}, {}, {}, (7, [1, 2], 9.0)),
        ({"max_attempts": 5}, {}, {}, (5, [1, 2], 9.0)),
        ({"max_attempts": 5, "retry_seconds": 4, "handle_timeout": 3}, {}, {}, (5, [4, 4], 3.0)),
        ({"max_attempts": 5, "handle_timeout": 3}, {"max_attempts": 6, "handle_timeout": 0}, {}, (6, [1, 2], 0.0)),
        ({"max_attempts": 5}, {"max_attempts": None}, {}, (5, [1, 2], 9.0)),
        ({"max_attempts": 5}, {"max_attempts": 6}, {"max_attempts": 8}, (8, [1, 2], 9.0)),
        ({"backoff": Backoff(base=3, jitter=False)}, {}, {}, (7, [3, 6], 9.0)),
        ({"backoff": Backoff(base=3, jitter=False)}, {"retry_seconds": 4}, {}, (7, [4, 4], 9.0)),
        ({"backoff": Backoff(base=3, jitter=False)}, {"backoff": False}, {}, (7, [1, 2], 9.0)),
        ({"retry_seconds": 4}, {"backoff": Backoff(base=3, jitter=False)}, {}, (7, [3, 6], 9.0)),
        ({"retry_seconds": 4}, {"backoff": False}, {}, (7, [4, 4], 9.0)),
        ({"max_attempts": None}, {}, {}, (7, [1, 2], 9.0)),
    ],
)
def test_the_nearest_option_wins(defaults: Any, decorator: Any, push: Any, expected: Any) -> None:
    """Given options at the channel, the queue's defaults, the decorator and the push, then a worker uses the nearest one."""
    bench = Bench(channels=CHANNEL, job_defaults=defaults)
    job = bench.queue.job(name="add", **decorator)(add)
    message = bench.pack(job.options(**push).bind(1))
    unpacker = bench.unpacker()
    body = unpacker.read(message)
    spec = unpacker.find(body.job)
    policy = unpacker.policy(spec, body.options)
    run = unpacker.run(message, body, spec, policy)
    assert (policy.max_attempts, [policy.seconds(1), policy.seconds(2)], run.timeout) == expected


def test_every_option_of_the_decorator_can_be_a_default() -> None:
    """Given all options as defaults, then a job without options has them, and one with all options has none of them."""
    every: dict[str, Any] = {
        "channel": "bulk", "max_attempts": 5, "retry_seconds": 4, "retry_on": OSError, "give_up_on": ValueError, "handle_timeout": 3,
        "on_fail": print, "on_lost": "timeout", "serializer": "json", "result_ttl": 60,
    }  # fmt: skip
    assert set(every) >= set(JobOptions.__struct_fields__) - {"backoff", "validate", "aliases"}
    queue = Queue("redis://localhost:1", job_defaults=every)
    assert queue.job(name="plain")(add).options_of_job == JobOptions.checked(**every)
    own: dict[str, Any] = {**every, "channel": "own", "retry_on": (), "result_ttl": 0, "max_attempts": 1}
    assert queue.job(name="own", **own)(add).options_of_job == JobOptions.checked(**own)
    assert queue.channel_names() == ["bulk", "default", "own"]


def test_the_defaults_are_a_copy() -> None:
    """Given a dict of defaults that changes later, then the queue's defaults stay."""
    defaults: Any = {"max_attempts": 5}
    queue = Queue("redis://localhost:1", job_defaults=defaults)
    defaults["max_attempts"] = 6
    assert queue.job(name="plain")(add).options_of_job.max_attempts == 5


def test_a_generator_gets_the_result_ttl_of_the_defaults() -> None:
    """Given result_ttl as a default, then a generator needs none, and may not turn it off."""
    queue = Queue("redis://localhost:1", job_defaults={"result_ttl": 60})

    def items() -> Any:
        yield 1

    assert queue.job(name="items")(items).options_of_job.result_ttl == 60
    with pytest.raises(JobDefinitionError, match="needs result_ttl"):
        queue.job(name="none", result_ttl=0)(items)


def test_objects_callables_and_names_get_the_defaults(make_queue: MakeQueue, shelf: Shelf) -> None:
    """Given defaults, then pushes of objects, callables and jobs of other programs have them; attributes of an object win."""
    queue = make_queue(job_defaults={"result_ttl": 60, "max_attempts": 5, "on_fail": print})
    queue.push(Report())
    queue.push(Fixed())
    queue.call(print, 1)
    queue.push_name("elsewhere:job", [1])
    pushed = shelf.waiting()
    assert [one.options.get("result_ttl") for one in pushed] == [60, 60, 60, 60]
    assert [one.options.get("max_attempts") for one in pushed] == [None, 2, None, None]
    builtin = queue.jobs.get("taskq:object")
    assert builtin is not None
    assert (builtin.options_of_job.max_attempts, builtin.options_of_job.on_fail) == (5, print)


@pytest.mark.parametrize(
    ("defaults", "why"),
    [
        (5, "job_defaults must be a dict of options of @queue.job"),
        ([("max_attempts", 5)], "must be a dict"),
        ({"chanel": "a"}, "job_defaults has no option 'chanel'; did you mean \"channel\""),
        ({5: "a"}, "job_defaults has no option '5'; valid are"),
        ({"max_retries": 3}, 'did you mean "max_attempts"[?] It counts the first run, too'),
        ({"countdown": 3}, "no option 'countdown'; set the delay of a push"),
        ({"name": "a"}, "job_defaults can't set 'name': each job has a name"),
        ({"job_class": int}, r"use Queue\(job_class="),
        ({"max_attempts": 0}, "job_defaults: max_attempts must be"),
        ({"channel": "a b"}, "job_defaults: 'a b' can't name a channel"),
        ({"retry_seconds": 3, "backoff": True}, "mutually exclusive"),
        ({"on_fail": lambda: None}, "job_defaults: on_fail must accept the exception as its only argument"),
        ({"serializer": "yaml"}, "unknown serializer"),
    ],
)
def test_a_wrong_default_is_refused_at_once(defaults: Any, why: str) -> None:
    """Given an unknown or invalid default, then the queue raises, before any job exists."""
    with pytest.raises(ConfigError, match=why):
        Queue("redis://localhost:1", job_defaults=defaults)
