"""The inspector on a real server: what it shows, and what its moves do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from taskq import Queue, UnknownChannel
from taskq.channel import State
from taskq.config import load_settings
from taskq.errors import ArgumentsError, ServerUnavailable, TaskqError
from taskq.inspector import Counts, Inspector
from taskq.inspector.store import Store
from taskq.wire.message import Message
from tests.support.hand import HandWorker
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until


class Report:
    def __init__(self, month: int) -> None:
        self.month = month

    def handle(self) -> None:
        raise AssertionError("only looked at")


def push(queue: Queue, job: str, *args: object, delay: float = 0) -> str:
    return queue.push_name(f"shop.jobs:{job}", args, delay=delay).id


def test_every_state_is_counted(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given messages in every state, then each is counted where it is."""
    for state in (State.FAILED, State.TIMEOUT, State.PARKED, State.FAILED):
        push(queue, "add", 1)
        worker.set_aside(worker.reserve()[0], state)
    push(queue, "add", 1)
    assert len(worker.reserve()) == 1
    for _ in range(3):
        push(queue, "add", 1)
    push(queue, "add", 1, delay=60)
    assert inspector.counts(prefix) == Counts(waiting=3, reserved=1, delayed=1, failed=2, timeout=1, parked=1)
    assert inspector.counts(prefix).total == 9


def test_a_failed_message_is_shown_whole(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given a message that failed, then its entry shows job, arguments, attempts, error and history."""
    identity = queue.push_name("shop.jobs:add", (1,), {"b": 2}).id
    worker.set_aside(worker.reserve()[0])
    (entry,) = inspector.entries(prefix, State.FAILED)
    assert (entry.id, entry.job, entry.arguments()) == (identity, "shop.jobs:add", "1, b=2")
    assert (entry.attempts, entry.max_attempts, entry.crashes) == (1, 4, 1)
    assert entry.error == "ValueError: no"
    assert entry.history[0].traceback == "Traceback ..."
    assert entry.age is not None
    assert 0 <= entry.age < 30
    assert entry.due is None
    data = entry.to_dict()
    assert msgspec.json.decode(msgspec.json.encode(data)) == data
    assert data["args"] == [1]
    assert data["state"] == "failed"


def test_entries_are_read_without_the_app(queue: Queue, prefix: str, url: str, worker: HandWorker) -> None:
    """Given only the settings, then an object of an unknown class is shown by its name and fields, and nothing of it is run."""
    queue.push(_with_channel(Report(3), prefix))
    inspector = Inspector(load_settings({"url": url, "channels": {prefix: {}}}))
    (entry,) = inspector.entries(prefix, State.WAITING)
    assert entry.job.endswith(":Report")
    assert "month=3" in entry.arguments()
    assert entry.max_attempts is None
    inspector.close()


def _with_channel(report: Report, channel: str) -> Report:
    vars(report)["channel"] = channel
    return report


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_other_serializers_are_read(url: str, prefix: str, serializer: str) -> None:
    """Given a queue that writes data only, and signs, then its arguments are shown without the secret."""
    queue = Queue(url, channels={prefix: {}}, serializer=serializer, secret="k")
    queue.job(channel=prefix, name="x:y")(lambda a, b: None).push("é", b=[1])
    (entry,) = Inspector(load_settings({"url": url, "channels": {prefix: {}}})).entries(prefix, State.WAITING)
    assert (entry.job, entry.arguments(), entry.is_signed) == ("x:y", "'é', b=[1]", True)
    queue.close()


def test_messages_of_other_clients_are_shown(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given JSON and garbage of another client, before and after a worker has seen it, then both are shown."""
    good, garbage = b'{"job": "shop.jobs:send", "args": ["a@b.c"], "max_attempts": 9}', b"\x1b[31mhello"
    worker.sender.call(worker.driver.push([good, garbage]))
    first, second = inspector.entries(prefix, State.WAITING)
    assert (first.job, first.arguments(), first.max_attempts, first.is_foreign) == ("shop.jobs:send", "'a@b.c'", 9, True)
    assert second.unreadable
    assert "\x1b" not in second.arguments()
    assert "hello" in second.arguments()
    assert inspector.find(first.id) == first
    for raw in worker.reserve():
        worker.set_aside(worker.stamp(raw))
    stamped = list(inspector.entries(prefix, State.FAILED))
    assert [entry.job for entry in stamped] == ["shop.jobs:send", ""]
    assert all(len(entry.id) == 32 for entry in stamped)


def test_damaged_messages_are_shown_and_can_be_reloaded(queue: Queue, prefix: str, inspector: Inspector) -> None:
    """Given a message of a newer version and one whose body is cut off, then both are listed with the reason, and reload moves them."""
    newer, cut = b"\x05" + bytes(40), b"\x01" + bytes(20) + b"\x00\x00\xff\xff" + bytes(10)
    sender = queue.sender(prefix)
    sender.call(sender.driver.time()._replace(words=("ZADD", sender.driver.keys.failed, 1, newer, 2, cut)))
    first, second = inspector.entries(prefix, State.FAILED)
    assert "version 5" in first.unreadable
    assert "cut off" in second.unreadable
    assert inspector.reload(prefix, State.FAILED) == 2
    assert [entry.raw for entry in inspector.entries(prefix, State.WAITING)] == [newer, cut]


def test_delayed_messages_show_when_they_are_due(queue: Queue, prefix: str, inspector: Inspector) -> None:
    """Given two delayed messages, then the first due comes first, with the seconds that are left."""
    late, soon = push(queue, "add", 1, delay=60), push(queue, "add", 2, delay=30)
    entries = list(inspector.entries(prefix, State.DELAYED))
    assert [entry.id for entry in entries] == [soon, late]
    assert entries[0].due == pytest.approx(30, abs=5)


def test_only_messages_of_a_job_are_listed(queue: Queue, prefix: str, inspector: Inspector) -> None:
    """Given two jobs, then one can be asked for by its full or its short name."""
    push(queue, "add", 1)
    wanted = push(queue, "send", "x")
    for name in ("shop.jobs:send", "send"):
        assert [entry.id for entry in inspector.entries(prefix, State.WAITING, job=name)] == [wanted]
    assert list(inspector.entries(prefix, State.WAITING, job="jobs:send")) == []


def test_a_message_is_found_wherever_it_is(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given a message that goes through the states, then it is found in each of them."""
    identity = push(queue, "add", 1, delay=3600)
    assert _state(inspector, identity) is State.DELAYED
    assert inspector.delete(identity.upper()) is not None
    identity = push(queue, "add", 1)
    for _ in range(50):
        push(queue, "add", 2)
    assert _state(inspector, identity) is State.WAITING
    (raw,) = worker.reserve(1)
    found = inspector.find(identity)
    assert found is not None
    assert (found.state, found.worker) == (State.RESERVED, worker.name)
    worker.set_aside(raw)
    assert _state(inspector, identity) is State.FAILED
    assert inspector.find("0" * 32) is None


def _state(inspector: Inspector, identity: str) -> State | None:
    entry = inspector.find(identity)
    return entry.state if entry else None


def test_delete_takes_one_message(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given messages in two states, then delete removes and returns exactly the one, and refuses a running one."""
    first, second = push(queue, "add", 1), push(queue, "add", 2)
    deleted = inspector.delete(second)
    assert deleted is not None
    assert deleted.id == second
    assert inspector.delete(second) is None
    worker.reserve()
    with pytest.raises(TaskqError, match="reserved by worker w1"):
        inspector.delete(first)
    assert inspector.counts(prefix) == Counts(reserved=1)


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT, State.PARKED])
def test_reload_counts_anew_and_keeps_the_history(
    queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector, state: State
) -> None:
    """Given failed messages, then reload moves them back in order, with their attempts reset and their history."""
    ids = [push(queue, "add", number) for number in range(30)]
    for raw in worker.reserve(100):
        worker.set_aside(raw, state)
    calls: list[tuple[int, int]] = []
    assert inspector.reload(prefix, state, progress=lambda done, total: calls.append((done, total))) == 30
    assert calls[-1] == (30, 30)
    waiting = list(inspector.entries(prefix, State.WAITING))
    assert [entry.id for entry in waiting] == ids
    assert {(entry.attempts, entry.crashes, len(entry.history)) for entry in waiting} == {(0, 0, 1)}
    assert inspector.reload(prefix, state) == 0


def test_reload_takes_only_what_is_asked_for(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given failed messages of two jobs, then one job, or one message, is reloaded and the others stay."""
    ids = [push(queue, "add", number) if number % 3 else push(queue, "send", "x") for number in range(300)]
    while raws := worker.reserve(1000):
        for raw in raws:
            worker.set_aside(raw)
    assert inspector.reload(prefix, State.FAILED, message_id=ids[1]) == 1
    assert inspector.reload(prefix, State.FAILED, message_id=ids[1]) == 0
    assert inspector.reload(prefix, State.FAILED, job="send") == 100
    assert inspector.counts(prefix) == Counts(waiting=101, failed=199)
    assert {entry.job for entry in inspector.entries(prefix, State.FAILED)} == {"shop.jobs:add"}


def test_reload_does_not_chase_what_fails_again(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given a worker that fails each message again at once, then reload ends after those it found at its start."""
    for number in range(40):
        push(queue, "add", number)
    for raw in worker.reserve(100):
        worker.set_aside(raw)

    def fail_again(_done: int, _total: int) -> None:
        for raw in worker.reserve(100):
            worker.set_aside(raw)

    assert inspector.reload(prefix, State.FAILED, progress=fail_again) == 40
    assert inspector.counts(prefix).failed == 40


def test_reload_takes_messages_that_failed_in_the_future(
    queue: Queue, server: ServerProcess, prefix: str, worker: HandWorker, inspector: Inspector
) -> None:
    """Given messages that failed while the server's clock was a month ahead, and others, then all are reloaded, and none of them twice."""
    ids = [push(queue, "add", number) for number in range(40)]
    key = worker.driver.keys.failed
    for number, raw in enumerate(worker.reserve(100)):
        server.admin.zincrby(key, 30 * 86_400_000 * (number % 2), worker.set_aside(raw))
    failed_again: list[str] = []

    def fail_again(_done: int, _total: int) -> None:
        failed_again.extend(Message(worker.set_aside(raw)).hex_id for raw in worker.reserve(100))

    assert inspector.reload(prefix, State.FAILED, progress=fail_again) == 40
    assert sorted(failed_again) == sorted(ids)
    assert inspector.counts(prefix).failed == 40


def test_reload_begins_after_the_millisecond_of_its_start(
    queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a reload, then the first message moves in a later millisecond, so that one which fails again at once is not taken twice."""
    push(queue, "add", 1)
    worker.set_aside(worker.reserve()[0])
    read, restore = Store.now_ms, inspector._restore
    started: list[float] = []
    moved: list[float] = []

    def first_of_a_millisecond(store: Store) -> float:
        while (now := read(store)) % 1 > 0.2:
            pass
        started.append(now)
        return now

    def timed(store: Store, state: State, chosen: Sequence[bytes]) -> int:
        moved.append(read(store))
        return restore(store, state, chosen)

    monkeypatch.setattr(Store, "now_ms", first_of_a_millisecond)
    monkeypatch.setattr(inspector, "_restore", timed)
    assert inspector.reload(prefix, State.FAILED) == 1
    assert int(moved[0]) > started[0]


@pytest.mark.parametrize("state", [State.WAITING, State.DELAYED, State.FAILED])
def test_flush_empties_one_state(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector, state: State) -> None:
    """Given messages in several states, then flush deletes those of one, however many there are."""
    job = queue.jobs.get("shop.jobs:add")
    assert job is not None
    if state is State.FAILED:
        job.push_many([(1,)] * 20)
        for raw in worker.reserve():
            worker.set_aside(raw)
        expected = 20
    else:
        expected = 2500
        job.options(delay=60 if state is State.DELAYED else 0).push_many([(1,)] * expected)
    other = State.DELAYED if state is State.WAITING else State.WAITING
    job.options(delay=60 if other is State.DELAYED else 0).push(1)
    assert inspector.flush(prefix, state) == expected
    counts = inspector.counts(prefix)
    assert (counts.of(state), counts.of(other)) == (0, 1)


def test_a_flush_that_arrives_late_deletes_nothing(
    queue: Queue, prefix: str, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a flush that is delayed until its caller has given it up, then it deletes nothing when it arrives."""
    command = queue.sender(prefix).driver.flush(State.WAITING, 1)
    assert command.script is not None
    server.admin.script_load(command.script.text)
    push(queue, "add", 1)
    monkeypatch.setattr("taskq.inspector.managing._FLUSH_MS", 1)
    with Relay(server.socket) as relay:
        through = Queue(relay.url, channels={prefix: {}})
        relay.keep_request(command.script.sha.encode())
        with pytest.raises(ServerUnavailable) as caught:
            Inspector(through).flush(prefix, State.WAITING)
        through.close()
        assert caught.value.sent
        wait_until(lambda: relay.has_kept)
        given_up = server.admin.time()
        wait_until(lambda: server.admin.time() > (given_up[0], given_up[1] + 2000))
        assert relay.deliver() == b":-1\r\n"
    assert Inspector(queue).counts(prefix).waiting == 1


@pytest.mark.parametrize("refused", [lambda i, p: i.flush(p, State.RESERVED), lambda i, p: i.reload(p, State.WAITING)])
def test_some_states_are_refused(inspector: Inspector, prefix: str, refused: Callable[[Inspector, str], int]) -> None:
    """Given a state for which the move makes no sense, then nothing is done."""
    with pytest.raises(ArgumentsError, match=r"state must be one of .*; got '(reserved|waiting)'"):
        refused(inspector, prefix)


def test_workers_report_their_activity(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given a worker's heartbeat, then its report shows the running job and for how long, by the server's clock."""
    identity = push(queue, "add", 1)
    (raw,) = worker.reserve()
    seconds, _ = worker.sender.call(worker.driver.time())
    since = (int(seconds) - 100) * 1000
    running = {"state": "running", "job": "shop.jobs:add", "message": Message(raw).hex_id, "since_ms": since, "started_ms": since}
    worker.beat(**running, done=5, failed=2, memory=1 << 20)
    (report,) = inspector.workers(prefix)
    assert (report.id, report.host, report.pid, report.supervisor_pid) == ("w1", "box", 11, 10)
    assert (report.state, report.job, report.message_id) == ("running", "shop.jobs:add", identity)
    assert report.running_seconds == pytest.approx(100, abs=5)
    assert report.uptime_seconds == pytest.approx(100, abs=5)
    assert report.heartbeat_seconds < 5
    assert (report.reserved, report.done, report.failed, report.memory_bytes) == (1, 5, 2, 1 << 20)


def test_a_heartbeat_in_the_future_does_not_show_a_living_worker(
    queue: Queue, server: ServerProcess, prefix: str, worker: HandWorker, inspector: Inspector
) -> None:
    """Given a worker whose heartbeat lies in the future, since the server's clock was set back, then it is lost until it sends another."""
    worker.beat()
    server.admin.zincrby(worker.driver.keys.workers, 3_600_000, "w1")
    assert [report.state for report in inspector.workers(prefix)] == ["lost"]
    worker.beat()
    assert [report.state for report in inspector.workers(prefix)] == ["idle"]


def test_a_worker_without_heartbeats_is_lost(queue: Queue, prefix: str, worker: HandWorker, inspector: Inspector) -> None:
    """Given a worker whose last heartbeat is long ago, then its report is lost, unlike those of others."""
    worker.beat()
    keys = worker.driver.keys
    worker.sender.call(worker.driver.time()._replace(words=("ZADD", keys.workers, 1000, "w1")))
    worker.sender.call(worker.driver.time()._replace(words=("DEL", keys.worker("w1"))))
    (report,) = inspector.workers(prefix)
    assert report.state == "lost"
    assert report.heartbeat_seconds > 1_000_000


def test_a_channel_of_the_app_alone_can_be_read_when_it_holds_something(queue: Queue, url: str, prefix: str) -> None:
    """Given only the settings, then a channel that isn't written there is read when something is stored, else it is unknown."""
    inspector = Inspector(load_settings({"url": url}))
    with pytest.raises(UnknownChannel, match="--app"):
        inspector.counts(prefix)
    push(queue, "add", 1)
    assert inspector.counts(prefix).waiting == 1
    assert inspector.channels() == ["default"]
    inspector.close()


@pytest.mark.one_python
def test_the_only_channel(queue: Queue, inspector: Inspector, prefix: str) -> None:
    """Given one channel, then it need not be named; given several, then the error names them."""
    with pytest.raises(ArgumentsError, match=f"there are several channels; give one of default, {prefix}"):
        inspector.only_channel()
    assert Inspector(Queue(queue.url())).only_channel() == "default"
