"""A queue whose serializer holds only data: nothing in the server can run code, in a worker or in a program that reads results."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import JobFailed, Queue, ResultError
from taskq.channel import State
from taskq.clock import now_ms
from taskq.jobs.builtin import CALL, OBJECT
from taskq.wire.codec import check_serializer
from taskq.wire.ending import Ending, pack_ending, pack_part
from taskq.wire.message import encode, make_body, new_id
from tests.e2e.conftest import StartWorker
from tests.support.store import Store

PLAIN = "tests.e2e.apps.guarded:plain"


class Touch:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def code(mark: Path) -> bytes:
    """Arguments that run code when they are loaded."""
    return pickle.dumps((Touch(mark),))


def push(store: Store, name: str, arguments: bytes, serializer: str = "pickle") -> None:
    body = make_body(name, arguments, check_serializer(serializer).code)
    store.client.lpush(store.keys.waiting, encode(new_id(), body))


@pytest.fixture
def queue(url: str, request: pytest.FixtureRequest) -> Iterator[Queue]:
    queue = Queue(url, serializer=request.param)
    yield queue
    queue.close()


def test_a_pickle_runs_code_in_a_worker_without_a_secret(start_worker: StartWorker, store: Store, mark: Path, code: bytes) -> None:
    """Given the default settings, when a user who can write to the server pushes a pickle, then its code runs in the worker."""
    push(store, CALL, code)
    start_worker("guarded", "--burst", ready=0).wait()
    assert mark.exists()


def test_a_secret_keeps_a_pickle_from_running_code(start_worker: StartWorker, store: Store, mark: Path, code: bytes) -> None:
    """Given a secret, then the same message moves to failed, and nothing in it is loaded."""
    push(store, CALL, code)
    start_worker("guarded", "--burst", env={"TASKQ_SECRET": "correct-horse"}, ready=0).wait()
    assert store.count(State.FAILED) == 1
    assert not mark.exists()


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
@pytest.mark.parametrize("name", [PLAIN, CALL, OBJECT])
def test_a_data_only_worker_loads_no_pickle(
    start_worker: StartWorker, store: Store, mark: Path, code: bytes, serializer: str, name: str
) -> None:
    """Given a queue of data and no secret, then a pickle for any job, built-in ones included, moves to failed and isn't loaded."""
    push(store, name, code)
    start_worker("guarded", "--burst", env={"TEST_SERIALIZER": serializer}, ready=0).wait()
    assert store.count(State.FAILED) == 1
    assert not mark.exists()


def test_a_data_only_worker_runs_any_job_with_any_data(start_worker: StartWorker, store: Store) -> None:
    """Given a queue of data and no secret, then a message that any user writes to the server runs."""
    push(store, PLAIN, b'[["from mallory"],{}]', "json")
    assert start_worker("guarded", "--burst", env={"TEST_SERIALIZER": "json"}, ready=0).wait() == 0
    assert store.count(State.FAILED) == 0


@pytest.mark.parametrize("queue", ["pickle"], indirect=True)
def test_a_pickled_result_runs_code_in_its_reader(queue: Queue, store: Store, mark: Path) -> None:
    """Given the default settings, when a user who can write to the server stores a result, then its code runs in the reader."""
    handle = queue.handle(new_id().hex())
    ending = Ending("done", now_ms(), 1, "w", value=pickle.dumps(Touch(mark)))
    store.client.rpush(store.keys.result(handle.id), pack_ending(ending, bytes.fromhex(handle.id), None))
    store.client.expire(store.keys.result(handle.id), 60)
    handle.result(timeout=30)
    assert mark.exists()


@pytest.mark.parametrize("queue", ["json", "msgpack"], indirect=True)
def test_a_data_only_queue_reads_no_pickled_result(queue: Queue, store: Store, mark: Path) -> None:
    """Given a queue of data and no secret, then a pickle in the place of a result or of an item is refused, and isn't loaded."""
    handle = queue.handle(new_id().hex())
    identity, data = bytes.fromhex(handle.id), pickle.dumps(Touch(mark))
    store.client.rpush(store.keys.result(handle.id), pack_ending(Ending("done", now_ms(), 1, "w", value=data), identity, None))
    store.client.xadd(store.keys.parts(handle.id), {"part": pack_part(1, data, check_serializer("pickle"), identity, None)}, id="1-0")
    for key in (store.keys.result(handle.id), store.keys.parts(handle.id)):
        store.client.expire(key, 60)
    with pytest.raises(ResultError, match="it is a pickle, which could run any code, but no job of this queue uses pickle"):
        handle.result(timeout=30)
    with pytest.raises(ResultError, match="it is a pickle"):
        next(iter(handle.stream(timeout=30)))
    assert not mark.exists()


@pytest.mark.parametrize("queue", ["json"], indirect=True)
def test_a_job_with_pickle_keeps_its_results(queue: Queue, store: Store) -> None:
    """Given a queue of data with one job of pickles, then its pickled results are read."""
    queue.job(name="x:y", serializer="pickle", result_ttl=60)(lambda: None)
    handle = queue.handle(new_id().hex())
    ending = Ending("done", now_ms(), 1, "w", value=pickle.dumps({1, 2}))
    store.client.rpush(store.keys.result(handle.id), pack_ending(ending, bytes.fromhex(handle.id), None))
    store.client.expire(store.keys.result(handle.id), 60)
    assert handle.result(timeout=30) == {1, 2}


@pytest.mark.parametrize("queue", ["json"], indirect=True)
def test_a_forged_failure_is_believed_without_a_secret(queue: Queue, store: Store) -> None:
    """Given no secret, then a reader takes any stored failure for the job's."""
    handle = queue.handle(new_id().hex())
    ending = Ending("failed", now_ms(), 1, "w", "mallory was here")
    store.client.rpush(store.keys.result(handle.id), pack_ending(ending, bytes.fromhex(handle.id), None))
    store.client.expire(store.keys.result(handle.id), 60)
    with pytest.raises(JobFailed, match="mallory was here"):
        handle.result(timeout=30)
