"""From bytes to a run: what is read, verified and decided."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from taskq import Backoff
from taskq.errors import ArgumentsError, MalformedMessage, SignatureError, UnsupportedVersion
from taskq.jobs.builtin import OBJECT, object_call
from taskq.wire.codec import PYTHON
from taskq.wire.message import Flag, Message, encode, make_body, new_id, wrap_foreign
from taskq.worker.execute.run import Run
from taskq.worker.execute.unpacker import UnknownHere, Unpacker
from tests.worker.conftest import Bench


def add(a: int, b: int = 2) -> int:
    return a + b


def run(unpacker: Unpacker, message: Message) -> Run:
    """Go all the way."""
    body = unpacker.read(message)
    job = unpacker.find(body.job)
    return unpacker.run(message, body, job, unpacker.policy(job, body.options))


def test_a_call_comes_out_as_it_was_bound(bench: Bench) -> None:
    """Given a packed call, then function, arguments and context are what was pushed."""
    job = bench.queue.job(name="add")(add)
    message = bench.pack(job.bind(1, b=3))
    found = run(bench.unpacker(), message)
    assert (found.name, found.spec.function, found.args, found.kwargs) == ("add", add, (1,), {"b": 3})
    context = found.context
    assert (context.id, context.job, context.channel, context.attempt, context.max_attempts) == (message.hex_id, "add", "default", 1, 3)
    assert context.pushed_at_ms == message.pushed_at_ms


def test_the_attempt_is_counted_from_the_head(bench: Bench) -> None:
    """Given a message that has failed twice, then its next run is attempt 3."""
    job = bench.queue.job(name="add")(add)
    message = Message(bench.pack(job.bind(1)).changed(attempts=2))
    assert run(bench.unpacker(), message).context.attempt == 3


CHANNEL = {"default": {"max_attempts": 7, "retry_seconds": [1, 2], "handle_timeout": 9}}


@pytest.mark.parametrize(
    ("job_options", "push_options", "attempts", "waits", "timeout"),
    [
        ({}, {}, 7, [1, 2, 2], 9),
        ({"max_attempts": 2, "retry_seconds": 4, "handle_timeout": 1}, {}, 2, [4], 1),
        ({"handle_timeout": 0}, {}, 7, [1, 2, 2], 0),
        ({"max_attempts": 2, "handle_timeout": 1}, {"max_attempts": 5, "retry_seconds": [8, 9], "handle_timeout": 3}, 5, [8, 9, 9], 3),
        ({"handle_timeout": 1}, {"handle_timeout": 0}, 7, [1, 2, 2], 0),
        ({"backoff": Backoff(base=3, jitter=False)}, {}, 7, [3, 6, 12], 9),
        ({"backoff": Backoff(base=3, jitter=False)}, {"retry_seconds": 5}, 7, [5, 5, 5], 9),
        ({"retry_seconds": 0}, {}, 7, [0, 0, 0], 9),
    ],
)
def test_the_push_wins_over_the_job_and_the_job_over_the_channel(
    job_options: dict[str, Any], push_options: dict[str, Any], attempts: int, waits: list[float], timeout: float
) -> None:
    """Given options at the channel, the job and the push, then the nearest counts."""
    bench = Bench(channels=CHANNEL)
    job = bench.queue.job(name="add", **job_options)(add)
    found = run(bench.unpacker(), bench.pack(job.options(**push_options).bind(1)))
    assert (found.policy.max_attempts, found.timeout) == (attempts, timeout)
    assert [found.policy.delay_after(attempt) for attempt in range(1, min(4, attempts))] == waits


def test_one_push_leaves_the_others_alone(bench: Bench) -> None:
    """Given a message with options, then the next message of the same job has those of the job again."""
    job = bench.queue.job(name="add", max_attempts=2)(add)
    unpacker = bench.unpacker()
    assert run(unpacker, bench.pack(job.options(max_attempts=9).bind(1))).policy.max_attempts == 9
    assert run(unpacker, bench.pack(job.bind(1))).policy.max_attempts == 2


def test_exceptions_of_the_job_are_in_the_policy(bench: Bench) -> None:
    """Given retry_on and give_up_on, then the policy knows them."""
    job = bench.queue.job(name="add", retry_on=OSError, give_up_on=FileNotFoundError)(add)
    policy = run(bench.unpacker(), bench.pack(job.bind(1))).policy
    assert policy.delay_after(1, PermissionError()) is not None
    assert policy.delay_after(1, FileNotFoundError()) is None
    assert policy.delay_after(1, ValueError()) is None


def test_the_callback_of_a_failure(bench: Bench) -> None:
    """Given a job with on_fail, an object with fail() and one without, then each run knows its callback."""

    class CallbackSeen:
        def handle(self) -> None: ...

        def fail(self, error: BaseException) -> None: ...

    class Untold:
        def handle(self) -> None: ...

    job = bench.queue.job(name="add", on_fail=print)(add)
    unpacker = bench.unpacker()
    assert run(unpacker, bench.pack(job.bind(1))).on_fail is print
    built_in = bench.queue.jobs.get(OBJECT)
    assert built_in is not None
    latest = run(unpacker, bench.pack(object_call(built_in, CallbackSeen(), 0)))
    assert latest.on_fail is not None
    assert latest.context.job.endswith("CallbackSeen")
    assert run(unpacker, bench.pack(object_call(built_in, Untold(), 0))).on_fail is None


def test_an_unknown_job_is_a_separate_error(bench: Bench) -> None:
    """Given a message of a job that isn't registered, then that is a separate error: another worker may know the job."""
    message = Message(encode(new_id(), make_body("os:system", b"\x80\x05).")))
    with pytest.raises(UnknownHere, match="unknown job 'os:system': this app has no job of that name"):
        run(bench.unpacker(), message)


@pytest.mark.parametrize(("pushed", "registered"), [("shop.jobs:add", "src.shop.jobs:add"), ("shop.jobs:add", "jobs:add")])
def test_a_job_of_a_module_with_two_names_is_shown(bench: Bench, pushed: str, registered: str) -> None:
    """Given a worker that imported the module under another name than the producer, then the error names both."""
    bench.queue.job(name=registered)(add)
    with pytest.raises(UnknownHere, match=f"'{pushed}': this app has '{registered}' instead; import the module under the same name"):
        bench.unpacker().find(pushed)


@pytest.mark.parametrize("pushed", ["send_mail", "json:send_mial", "json:send_mail ", "json:send_mail()", "json:Send_Mail"])
def test_a_job_with_a_similar_name_is_shown(bench: Bench, pushed: str) -> None:
    """Given a message whose job's name has a typing error or no module, then the error shows the job that was meant."""
    bench.queue.job(name="json:send_mail")(add)
    with pytest.raises(UnknownHere, match=re.escape('this app has no job of that name; did you mean "json:send_mail"?')):
        bench.unpacker().find(pushed)


def test_a_newer_version_is_a_separate_error(bench: Bench) -> None:
    """Given a message of a newer version, then that is a separate error."""
    job = bench.queue.job(name="add")(add)
    raw = bench.pack(job.bind(1)).raw
    with pytest.raises(UnsupportedVersion):
        bench.unpacker().read(Message(b"\x02" + raw[1:]))


def test_arguments_that_no_longer_fit(bench: Bench) -> None:
    """Given a message whose job has lost a parameter since, then it can't run."""
    job = bench.queue.job(name="add")(add)
    message = bench.pack(job.bind(1, 2))
    newer = Bench()
    newer.queue.job(name="add")(lambda a: a)
    with pytest.raises(ArgumentsError, match="too many positional arguments"):
        run(newer.unpacker(), message)


class Explosive:
    """An argument whose unpickling raises a given exception."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        return _explode, (self.error,)


def _explode(error: BaseException) -> None:
    raise error


def test_arguments_that_explode(bench: Bench) -> None:
    """Given an argument whose unpickling raises, then the message is unreadable, and the reason names the job."""
    job = bench.queue.job(name="add")(add)
    message = bench.pack(job.bind(Explosive(ValueError("boom"))))
    with pytest.raises(MalformedMessage, match="the arguments of add can't be read: ValueError: boom"):
        run(bench.unpacker(), message)


class Refund(Exception):
    """An exception that can be pickled, and not unpickled: pickle calls the class with `args`, here one text."""

    def __init__(self, order: int, reason: str) -> None:
        super().__init__(f"order {order}: {reason}")


def test_an_exception_as_an_argument_that_can_t_be_unpickled(bench: Bench) -> None:
    """Given such an exception as an argument, then the message is unreadable, and the reason names the class and its parameter."""
    message = bench.pack(bench.queue.job(name="add")(add).bind(Refund(5, "late")))
    with pytest.raises(MalformedMessage, match=r"the arguments of add can't be read: TypeError: .*missing 1 required .*'reason'"):
        run(bench.unpacker(), message)


@pytest.mark.parametrize(("wrote", "reads"), [("pickle", "json"), ("json", "msgpack"), ("msgpack", "pickle")])
def test_another_serializer_is_refused_unread(wrote: str, reads: str) -> None:
    """Given arguments of another serializer than the job's, then they are never loaded."""
    there, here = Bench(serializer=wrote), Bench(serializer=reads)
    message = there.pack(there.queue.job(name="add")(add).bind(1))
    here.queue.job(name="add")(add)
    with pytest.raises(MalformedMessage, match=f"the arguments were serialized with {wrote}, but add expects {reads}"):
        run(here.unpacker(), message)


def test_the_serializer_of_the_job_wins(bench: Bench) -> None:
    """Given a job with its own serializer in a queue of pickles, then its messages are read with that."""
    job = bench.queue.job(name="add", serializer="json")(add)
    assert run(bench.unpacker(), bench.pack(job.bind(1))).args == (1,)


def _foreign(**latest: Any) -> Message:
    return Message(wrap_foreign(json.dumps(latest).encode()))


@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
def test_a_json_message_is_read_by_every_queue(serializer: str) -> None:
    """Given a plain JSON message, then it runs with any serializer of the queue, and with its number of attempts."""
    bench = Bench(serializer=serializer)
    bench.queue.job(name="add")(add)
    found = run(bench.unpacker(), _foreign(job="add", args=[1], kwargs={"b": 5}, max_attempts=9))
    assert (found.args, found.kwargs, found.policy.max_attempts) == ((1,), {"b": 5}, 9)


@pytest.mark.parametrize(("on_lost", "flag"), [(None, 0), ("timeout", Flag.LOST_IS_TIMEOUT), ("retry", Flag.LOST_IS_RETRY)])
def test_a_json_message_is_kept_aside_when_its_job_must_not_run_twice(bench: Bench, on_lost: Any, flag: int) -> None:
    """Given a plain JSON message of a job with on_lost, then its head gets the flag; unreadable bytes get none."""
    bench.queue.job(name="add", on_lost=on_lost)(add)
    unpacker = bench.unpacker()
    assert unpacker.loss_flag(b'{"job": "add", "args": [1]}') == flag
    assert [unpacker.loss_flag(raw) for raw in (b'{"job": "unknown"}', b"garbage", b"")] == [0, 0, 0]
    assert Message(wrap_foreign(b"{}", flag)).flags == flag


@pytest.mark.parametrize("job", ["taskq:call", "taskq:object"])
def test_a_json_message_can_not_run_the_built_in_jobs(bench: Bench, job: str) -> None:
    """Given a JSON message that names a built-in job, then it is refused."""
    with pytest.raises(MalformedMessage, match=f"a JSON message can't run {job}"):
        run(bench.unpacker(), _foreign(job=job, args=["x"]))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_attempts": "3"}, "max_attempts"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"retry_seconds": []}, "retry_seconds"),
        ({"retry_seconds": [-1]}, "retry_seconds"),
        ({"handle_timeout": -1}, "handle_timeout"),
        ({"label": 7}, "label"),
    ],
)
def test_options_that_can_not_be(bench: Bench, options: dict[str, Any], reason: str) -> None:
    """Given a message whose options are out of bounds, then it can't be read, and the reason names which."""
    bench.queue.job(name="add")(add)
    message = Message(encode(new_id(), make_body("add", b"\x80\x05K\x01\x85.", 0, options)))
    with pytest.raises(MalformedMessage, match=reason):
        bench.unpacker().read(message)


def test_options_of_a_newer_version_are_passed_over(bench: Bench) -> None:
    """Given an option that only a newer taskq knows, then the message runs anyway."""
    bench.queue.job(name="add")(add)
    message = Message(encode(new_id(), make_body("add", b"\x80\x05K\x01\x85.", 0, {"colour": "red", "max_attempts": 2})))
    assert run(bench.unpacker(), message).policy.max_attempts == 2


SECRET = {"secret": "one"}


@pytest.mark.parametrize(
    ("writer", "reader", "fine"),
    [
        (SECRET, SECRET, True),
        (SECRET, {"secret": "two,one"}, True),
        (SECRET, {}, True),
        (SECRET, {"secret": "two"}, False),
        ({}, SECRET, False),
    ],
)
def test_signatures_decide_before_anything_is_read(writer: dict[str, Any], reader: dict[str, Any], fine: bool) -> None:
    """Given producers and workers with and without secrets, then only a worker with the same secret, or with none, reads a message."""
    there, here = Bench(**writer), Bench(**reader)
    message = there.pack(there.queue.job(name="add")(add).bind(1))
    here.queue.job(name="add")(add)
    unpacker = here.unpacker()
    if fine:
        assert run(unpacker, message).args == (1,)
    else:
        with pytest.raises(SignatureError):
            unpacker.read(message)


def test_a_json_message_is_refused_where_signatures_count() -> None:
    """Given a worker with a secret, then a JSON message is refused."""
    bench = Bench(**SECRET)
    bench.queue.job(name="add")(add)
    with pytest.raises(SignatureError, match="is not signed"):
        bench.unpacker().read(_foreign(job="add", args=[1]))


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:2] + bytes(16) + raw[18:],
        lambda raw: raw[:20] + bytes((raw[20] | 2,)) + raw[21:],
        lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,)),
    ],
    ids=["id", "flags", "signature"],
)
def test_what_decides_the_run_is_signed(change: Change) -> None:
    """Given a signed message of which id, flags or signature were changed, then it is refused."""
    bench = Bench(**SECRET)
    message = bench.pack(bench.queue.job(name="add")(add).bind(1))
    with pytest.raises(SignatureError):
        bench.unpacker().read(Message(change(message.raw)))


def test_code_of_another_python_is_never_unpickled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given code by value of another minor version, then it is refused before it is unpickled: that could crash. Of this one it runs."""
    job = bench.queue.job(name="add")(add)
    monkeypatch.setattr("taskq.push.envelope.PYTHON", "3.99")
    message = bench.pack(job.bind(1, b=lambda: 2))  # type: ignore[arg-type]
    monkeypatch.setattr("taskq.wire.pickles.pickle.loads", pytest.fail)
    with pytest.raises(MalformedMessage, match=rf"pushed by Python 3\.99 as code.* this is Python {re.escape(PYTHON)}"):
        run(bench.unpacker(), message)
    monkeypatch.undo()
    assert run(bench.unpacker(), bench.pack(job.bind(1, b=lambda: 2))).kwargs["b"]() == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1, "x" * 300, "cloudpickle", max])
def test_arguments_without_code_name_no_version(bench: Bench, value: Any) -> None:
    """Given arguments that any Python can read, then their message names no Python version."""
    job = bench.queue.job(name="add")(add)
    assert bench.unpacker().read(bench.pack(job.bind(value))).options is None


@pytest.mark.one_python
def test_headers_are_in_the_context(bench: Bench) -> None:
    """Given messages with and without headers, of taskq and of another language, then the context of their runs has them."""
    job, unpacker = bench.queue.job(name="add")(add), bench.unpacker()
    assert run(unpacker, bench.pack(job.options(headers={"tenant": "acme"}).bind(1))).context.headers == {"tenant": "acme"}
    assert run(unpacker, bench.pack(job.bind(1))).context.headers == {}
    for written in ({"tenant": "acme"}, {}, [], None):
        raw = json.dumps({"job": "add", "args": [1], "headers": written}).encode()
        assert run(unpacker, Message(wrap_foreign(raw))).context.headers == (written or {})


@pytest.mark.one_python
@pytest.mark.parametrize("stored", ["text", {"tenant": "acme"}, ["tenant"], ["tenant", 5], ["", "x"], ["a", "x" * 5000]])
def test_headers_of_a_wrong_form_fail_the_message(bench: Bench, stored: Any) -> None:
    """Given a body whose headers another program wrote in a wrong form, then it is malformed before its arguments are read."""
    bench.queue.job(name="add")(add)
    message = Message(encode(new_id(), make_body("add", b"not a pickle", 0, {"headers": stored})))
    with pytest.raises(MalformedMessage, match=r"can't be read|header"):
        run(bench.unpacker(), message)


@pytest.mark.parametrize(
    ("of_channel", "of_job", "crashes", "is_last"),
    [
        ("retry", None, 0, False),
        ("timeout", None, 0, True),
        ("timeout", "retry", 0, False),
        ("retry", "timeout", 0, True),
        ("retry", None, 3, True),
    ],
)
def test_a_run_knows_if_no_other_follows_a_crash(of_channel: str, of_job: Any, crashes: int, is_last: bool) -> None:
    """Given `on_lost` of the channel and the job, and a number of crashes, then the run knows whether a further crash ends its message."""
    bench = Bench(channels={"default": {"on_lost": of_channel, "max_crashes": 3}})
    job = bench.queue.job(name="work", on_lost=of_job)(lambda: None)
    message = bench.pack(job.bind())
    message.crashes = crashes
    assert run(bench.unpacker(), message).stream_of()[2] is is_last
