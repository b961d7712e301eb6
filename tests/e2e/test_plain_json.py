"""Messages that other clients push as JSON objects with LPUSH."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskq.channel import State
from taskq.wire.history import records
from tests.e2e.apps import guarded
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

PLAIN = "tests.e2e.apps.guarded:plain"


def lpush(store: Store, *messages: Any) -> None:
    """Push as a client of another language does."""
    store.client.lpush(store.keys.waiting, *[raw if isinstance(raw, bytes) else json.dumps(raw).encode() for raw in messages])


def test_a_json_message_runs(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given JSON messages with and without keywords and attempts, then each runs, equal ones twice, and nothing is left."""
    lpush(
        store,
        {"job": PLAIN, "args": ["a"]},
        {"job": PLAIN, "args": ["b"], "kwargs": {"times": 2}},
        {"job": PLAIN, "kwargs": {"text": "c"}, "max_attempts": 7},
        {"job": PLAIN, "args": ["a"]},
    )
    assert run_burst(start_worker, "guarded") == 0
    assert ledger.values("plain") == [["a", 1, 1, 3], ["b", 2, 1, 3], ["c", 1, 1, 7], ["a", 1, 1, 3]]


def test_other_languages_write_empty_maps_and_numbers_in_their_way(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a message of PHP, one with a byte order mark, one of Lua in the server, and one of Go, then each runs."""
    lpush(
        store,
        f'{{"job":"{PLAIN}","args":["php"],"kwargs":[]}}'.encode(),
        b"\xef\xbb\xbf" + f'{{"job":"{PLAIN}","args":["mark"],"max_attempts":3.0}}'.encode(),
    )
    script = "redis.call('LPUSH', KEYS[1], cjson.encode({job = ARGV[1], args = {}, kwargs = {text = 'lua'}}))"
    store.client.eval(script, 1, store.keys.waiting, PLAIN)
    lpush(store, {"job": PLAIN, "args": ["go"], "kwargs": None, "max_attempts": None})
    assert run_burst(start_worker, "guarded") == 0
    assert [value[0] for value in ledger.values("plain")] == ["php", "mark", "lua", "go"]


def test_a_json_message_wakes_an_idle_worker(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a worker that sleeps, if a JSON message comes, then it runs."""
    worker = start_worker("guarded")
    lpush(store, {"job": PLAIN, "args": ["a"]})
    ledger.wait_for("plain")
    assert worker.stop() == 0


def test_json_and_own_messages_mix(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given JSON messages between pushed ones, then all run in the order of their coming."""
    for number in range(50):
        guarded.plain.push(f"own {number}")
        lpush(store, {"job": PLAIN, "args": [f"json {number}"]})
    assert run_burst(start_worker, "guarded") == 0
    assert [value[0] for value in ledger.values("plain")] == [f"{kind} {number}" for number in range(50) for kind in ("own", "json")]


def test_a_json_message_is_retried_and_fails_like_others(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a JSON message whose job fails, then it has its attempts, and lies in failed with its history, its bytes untouched."""
    message = {"job": PLAIN, "args": ["fail"], "max_attempts": 2}
    lpush(store, message)
    worker = start_worker("guarded", settings={"retry_seconds": 0.02})
    wait_until(lambda: store.count(State.FAILED) == 1)
    assert worker.stop() == 0
    assert [value[2:] for value in ledger.values("plain")] == [[1, 2], [2, 2]]
    (failed,) = store.messages(State.FAILED)
    assert json.loads(failed.content()) == message
    assert [record.error for record in store.history(State.FAILED)] == ["ValueError: fail"] * 2


@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
def test_a_json_message_is_welcome_with_every_serializer(start_worker: StartWorker, ledger: Ledger, store: Store, serializer: str) -> None:
    """Given a queue with another serializer, then JSON messages run anyway: they hold data only."""
    lpush(store, {"job": PLAIN, "args": ["a"]}, {"job": "tests.e2e.apps.guarded:packed", "args": [[1, {"b": None}]]})
    variables = {"TEST_SERIALIZER": serializer}
    assert start_worker("guarded", "--burst", env=variables, ready=0).wait() == 0
    assert ledger.values("packed") == [[1, {"b": None}]]


WRONG = {
    "unknown field": ({"job": PLAIN, "args": ["a"], "delay": 5}, "unknown field `delay`"),
    "no job": ({"args": ["a"]}, "missing required field `job`"),
    "args no list": ({"job": PLAIN, "args": "a"}, "args must be a list; got a string"),
    "attempts": ({"job": PLAIN, "args": ["a"], "max_attempts": 0}, "max_attempts must be an integer from 1 to 65535; got 0"),
    "too many arguments": ({"job": PLAIN, "args": ["a", "b"]}, "too many positional arguments"),
    "missing argument": ({"job": PLAIN}, "missing a required argument: 'text'"),
    "unknown keyword": ({"job": PLAIN, "args": ["a"], "kwargs": {"time": 2}}, "got an unexpected keyword argument 'time'"),
    "builtin": ({"job": "taskq:call", "args": ["os.system", "true"]}, "a JSON message can't run taskq:call"),
    "text": (b"hello", "5 bytes that begin with b'hello' are not a message"),
    "empty": (b"", "0 bytes"),
    "list": (b"[1, 2]", "are not a message"),
    "cut": (b'{"job": "x', "a JSON message that can't run"),
    "pickle": (b"\x80\x05K\x01.", "are not a message"),
    "high bytes": (b"\xff" * 300, "are not a message"),
    "deep": (b'{"job": "x", "args": ' + b"[" * 100_000, "can't run"),
}


def test_what_can_not_be_read_goes_to_failed_with_the_reason(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given bytes and JSON that can't run, then they go to failed, untouched, with the reason, and the jobs between them run."""
    for raw, _ in WRONG.values():
        lpush(store, {"job": PLAIN, "args": ["between"]}, raw)
    assert run_burst(start_worker, "guarded") == 1
    assert len(ledger.values("plain")) == len(WRONG)
    assert len({line.pid for line in ledger.lines()}) == 1
    failed = {message.content(): records(message.history_bytes()) for message in store.messages(State.FAILED)}
    for kind, (raw, reason) in WRONG.items():
        (record,) = failed.pop(raw if isinstance(raw, bytes) else json.dumps(raw).encode())
        assert reason in record.error, kind
    assert failed == {}
