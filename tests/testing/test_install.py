"""Queues get their own connections back: after a failure, in nested blocks, and those that the block has made."""

from __future__ import annotations

import threading

import pytest

from taskq import ConfigError, Queue, testing
from taskq.push.outbox import Outbox

pytestmark = pytest.mark.one_python
URL = "redis://127.0.0.1:1/0"


def test_every_queue_of_the_process_is_recorded_and_restored() -> None:
    old = Queue(URL)
    before = old.outbox
    made = []

    def test() -> None:
        with testing.record() as t:
            made.append(new := Queue(URL))
            for number, queue in enumerate((old, new)):
                queue.call(print, number)
            assert [push.args for push in t.pushed] == [(0,), (1,)]
            raise KeyError

    with pytest.raises(KeyError):
        test()
    (new,) = made
    assert old.outbox is before
    assert type(new.outbox) is type(Queue(URL).outbox) is Outbox


def test_other_queues_are_not_recorded() -> None:
    queue, other = Queue(URL), Queue(URL)
    with testing.record(queue):
        assert type(other.outbox) is type(Queue(URL).outbox) is Outbox
        assert type(queue.outbox) is not Outbox


def test_a_queue_that_could_not_be_made_is_not_looked_at() -> None:
    """Given an exception that still refers to a queue that could not be made, then the jobs of the process are found without it."""
    queue = Queue(URL)
    with pytest.raises(ConfigError) as caught:
        Queue(URL, job_defaults={"chanel": "mail"})  # type: ignore[typeddict-unknown-key]
    with testing.record(queue) as t:
        t.assert_none_pushed("unlikely.module:job")
    assert caught.tb is not None


def test_an_inner_recording_takes_the_pushes_of_its_block() -> None:
    queue = Queue(URL)
    with testing.record(queue) as outer:
        queue.call(print, 1)
        with testing.record() as inner:
            queue.call(print, 2)
            late = Queue(URL)
        queue.call(print, 3)
        assert [push.args for push in outer.pushed] == [(1,), (3,)]
        assert [push.args for push in inner.pushed] == [(2,)]
    assert type(queue.outbox) is type(late.outbox) is Outbox


def test_pushes_of_other_threads_are_recorded() -> None:
    queue = Queue(URL)
    job = queue.job(name="job")(lambda number: None)
    with testing.record(queue, mode="inline") as t:
        threads = [threading.Thread(target=job.push, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        t.assert_pushed(job, count=8)
        t.run_all()
        assert t.pending == []


def test_a_handle_outlives_its_recording() -> None:
    queue = Queue(URL)
    job = queue.job(name="job", result_ttl=60)(lambda: 7)
    with testing.record(queue) as t:
        handle = job.push()
        t.run_all()
    assert handle.result() == 7
