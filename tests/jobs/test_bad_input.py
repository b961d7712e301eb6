"""Bad input at a decorator or a push: each has a clear error, and nothing is stored."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from taskq import (
    ArgumentsError,
    Backoff,
    ConfigError,
    DelayError,
    Job,
    JobDefinitionError,
    MessageTooLarge,
    PushError,
    Queue,
    SerializationError,
    TaskqError,
    UnknownChannel,
    UnknownJob,
)
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf

HERE = __name__


def mail(to: str, subject: str = "hi", *, copies: int = 1) -> None:
    """Send a mail."""


@pytest.fixture(autouse=True)
def _nothing_is_stored(shelf: Shelf) -> Iterator[None]:
    yield
    assert shelf.client.dbsize() == 0, "a refused push stored something"


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ((), {}, "missing a required argument: 'to'"),
        (("a", "b", "c"), {}, "too many positional arguments"),
        (("a",), {"subjekt": "x"}, "unexpected keyword argument 'subjekt'"),
        (("a",), {"to": "b"}, "multiple values for argument 'to'"),
        ((), {"subject": "x"}, "missing a required argument: 'to'"),
    ],
)
@pytest.mark.parametrize("way", ["push", "delayed", "options", "bind", "many", "name"])
def test_wrong_arguments_are_refused_at_the_push(queue: Queue, args: tuple[Any, ...], kwargs: dict[str, Any], why: str, way: str) -> None:
    """Given arguments that don't fit, in every way to push, then the error shows job, signature and mistake; it is a TypeError."""
    job: Any = queue.job(mail)
    ways: dict[str, Callable[[], Any]] = {
        "push": lambda: job.push(*args, **kwargs),
        "delayed": lambda: job.push(*args, **kwargs, delay=5),
        "options": lambda: job.options(max_attempts=1).push(*args, **kwargs),
        "bind": lambda: job.bind(*args, **kwargs),
        "many": lambda: job.push_many([("fine",), job.bind(*args, **kwargs)]),
        "name": lambda: queue.push_name(job.name, args, kwargs),
    }
    with pytest.raises(ArgumentsError, match=why) as caught:
        ways[way]()
    assert isinstance(caught.value, TypeError)
    assert f"{HERE}:mail(to: 'str'" in str(caught.value)


def test_one_wrong_call_of_many_stores_none(queue: Queue) -> None:
    """Given many calls of which the last is wrong, then none is stored."""
    job = queue.job(mail)
    with pytest.raises(ArgumentsError):
        job.push_many([("a",)] * 1000 + [()])
    with pytest.raises(SerializationError):
        job.push_many([("a",)] * 1000 + [(threading.Lock(),)])
    for wrong in ("abc", [5], ["text"], [None], [{"to": "a"}]):
        with pytest.raises(ArgumentsError, match="needs tuples of arguments or bound calls"):
            job.push_many(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "delay", [-1, -0.001, math.nan, math.inf, -math.inf, 11 * 366 * 86400, timedelta(days=-1), "5", None, True, [5], 10**400, object()]
)
def test_a_wrong_delay_is_refused(queue: Queue, delay: Any) -> None:
    """Given an invalid delay, in every way to push, then DelayError is raised; it is a ValueError."""
    job = queue.job(mail)
    pushes: list[Callable[[], Any]] = [
        lambda: job.push("a", delay=delay),
        lambda: job.options(delay=delay).push("a"),
        lambda: queue.call(len, "a", delay=delay),
        lambda: job.options(delay=delay).push_many([("a",)]),
    ]
    if delay is not None:  # of a bound call it means: as it was bound
        pushes.append(lambda: job.bind("a").push(delay=delay))
    for push in pushes:
        with pytest.raises(DelayError) as caught:
            push()
        assert isinstance(caught.value, ValueError)


def test_a_delay_and_a_moment_together_are_refused(queue: Queue) -> None:
    """Given both, then an error is raised, even if they are given one after the other."""
    job = queue.job(mail)
    with pytest.raises(ConfigError, match=r"delay .* and at .* mutually exclusive"):
        job.options(delay=5, at=5)
    with pytest.raises(ConfigError, match=r"delay .* and at .* mutually exclusive"):
        job.options(at=5).bind("a").push(delay=5)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"dely": 5}, "no option 'dely'; did you mean \"delay\""),
        ({"max_attempts": 0}, "1 to 65535"),
        ({"max_attempts": 65536}, "1 to 65535"),
        ({"max_attempts": 1.5}, "1 to 65535"),
        ({"max_attempts": True}, "1 to 65535"),
        ({"handle_timeout": -1}, "handle_timeout"),
        ({"handle_timeout": math.inf}, "handle_timeout"),
        ({"handle_timeout": math.nan}, "handle_timeout"),
        ({"handle_timeout": "5"}, "handle_timeout"),
        ({"retry_seconds": []}, "empty list"),
        ({"retry_seconds": [-1]}, "negative"),
        ({"retry_seconds": "5"}, "retry_seconds"),
        ({"channel": ""}, "can't name a channel"),
        ({"channel": 5}, "can't name a channel"),
        ({"channel": "a b"}, "can't name a channel"),
        ({"once": "yes"}, "once must be True or False"),
        ({"result_ttl": -1}, "result_ttl"),
        ({"result_ttl": math.inf}, "result_ttl"),
        ({"result_ttl": True}, "result_ttl"),
        ({"result_ttl": "60"}, "0.001 s to 10 years"),
    ],
)
def test_a_wrong_option_of_a_push_is_refused(queue: Queue, options: Any, why: str) -> None:
    """Given an unknown option or one out of bounds, then the error names it, at options() already."""
    with pytest.raises(ConfigError, match=why):
        queue.job(mail).options(**options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"chanel": "a"}, "no option 'chanel'; did you mean \"channel\""),
        ({"delay": 5}, "no option 'delay'"),
        ({"headers": {"a": "b"}}, r"no option 'headers'; set the headers of a push: job\.options\(headers=\.\.\.\)\.push"),
        ({"jobclass": Job}, "no option 'jobclass'; did you mean \"job_class\""),
        (
            {"max_retries": 3},
            "no option 'max_retries'; did you mean \"max_attempts\"\\? It counts the first run, too: max_retries=3 is max_attempts=4",
        ),
        ({"timeout": 4}, 'did you mean "handle_timeout"'),
        ({"queue": "mail"}, 'did you mean "channel"'),
        ({"countdown": 3}, "no option 'countdown'; set the delay of a push: job.push"),
        ({"channel": "a b"}, "can't name a channel"),
        ({"channel": None}, "can't name a channel"),
        ({"max_attempts": 0}, "1 to 65535"),
        ({"retry_seconds": []}, "empty list"),
        ({"retry_seconds": math.nan}, "finite"),
        ({"handle_timeout": -1}, "handle_timeout"),
        ({"backoff": 2}, "backoff must be True or a taskq.Backoff"),
        ({"backoff": "yes"}, "backoff must be"),
        ({"backoff": True, "retry_seconds": 5}, "mutually exclusive"),
        ({"retry_on": "ValueError"}, "exception classes"),
        ({"retry_on": [ValueError, 5]}, "exception classes; got 5"),
        ({"retry_on": None}, "exception classes; got None"),
        ({"give_up_on": int}, "exception classes"),
        ({"give_up_on": ValueError()}, "exception classes"),
        ({"on_fail": "notify"}, "on_fail must be callable"),
        ({"on_fail": lambda: None}, r"on_fail of .*:mail must accept the exception as its only argument: on_fail\(\): too many"),
        ({"on_fail": lambda error, again: None}, "only argument: .* missing a required argument: 'again'"),
        ({"on_lost": "never"}, "on_lost must be 'retry' or 'timeout'"),
        ({"result_ttl": -1}, "result_ttl"),
        ({"result_ttl": math.nan}, "result_ttl"),
        ({"result_ttl": 0.0001}, "result_ttl"),
        ({"serializer": "yaml"}, "unknown serializer 'yaml'"),
        ({"name": ""}, "invalid job name"),
        ({"name": 5}, "invalid job name"),
        ({"name": "a\nb"}, "invalid job name"),
        ({"name": "x" * 501}, "invalid job name"),
        ({"name": "taskq:mine"}, "invalid job name"),
        ({"name": "\ud800"}, "invalid job name"),
    ],
)
def test_a_wrong_option_of_a_decorator_is_refused(queue: Queue, options: Any, why: str) -> None:
    """Given an unknown option or one out of bounds, then the decorator raises, at import and not at a push."""
    with pytest.raises(JobDefinitionError, match=why):
        queue.job(**options)(mail)
    assert queue.jobs.names() == []


def test_names_of_other_queues_lead_to_the_options_of_a_push(queue: Queue) -> None:
    """Given the name that another job queue has for an option, or an option among the arguments, then the error names the right one."""
    job: Any = queue.job(mail)
    with pytest.raises(ConfigError, match="no option 'countdown'; did you mean \"delay\""):
        job.options(countdown=3)
    with pytest.raises(ConfigError, match="no option 'eta'; did you mean \"at\""):
        job.options(eta=3)
    with pytest.raises(ArgumentsError, match=r"keyword argument 'max_attempts'\. Set options of a push with job\.options\(max_attempts="):
        job.push("a", max_attempts=4)
    with pytest.raises(ArgumentsError, match=r"keyword argument 'subjct'; did you mean \"subject\"\?$"):
        job.push("a", subjct=4)


def test_an_option_of_another_queue_among_the_arguments_is_named(queue: Queue) -> None:
    """Given another job queue's option among the arguments of a push, then the error names ours, unless the job takes any keyword."""
    job: Any = queue.job(mail)
    with pytest.raises(ArgumentsError, match=r"Set options of a push with job\.options\(delay=\.\.\.\)"):
        job.push("a", countdown=4)
    with pytest.raises(ArgumentsError, match=r"missing a required argument: 'to'\. It has no parameter 'too'; did you mean \"to\"\?$"):
        job.push(too="a")
    takes_all: Any = queue.job(name="all")(lambda to, **more: None)
    with pytest.raises(ArgumentsError, match=r"missing a required argument: 'to'$"):
        takes_all.push(countdown=4)


def test_the_decorator_needs_a_queue() -> None:
    """Given the decorator of the class instead of a queue's, then it raises, because it would define no job."""
    decorator: Any = Queue.job
    with pytest.raises(JobDefinitionError, match=r"write queue = Queue\(\), then @queue\.job"):
        decorator(mail)


@pytest.mark.parametrize("args", ["12", 12, None])
def test_a_push_by_name_needs_a_sequence(queue: Queue, args: Any) -> None:
    """Given a text or a number instead of a list of arguments, then the push raises: a text would be pushed letter by letter."""
    job = queue.job(mail)
    with pytest.raises(ArgumentsError, match=r"the arguments of .*:mail must be a list or a tuple; got"):
        queue.push_name(job.name, args)


def test_right_options_of_a_decorator_are_taken(queue: Queue) -> None:
    """Given every option in its right form, then the job has them."""
    options: Any = {"name": "m", "channel": "bulk", "max_attempts": 4, "retry_seconds": [1, 5], "retry_on": ValueError}
    options |= {"give_up_on": [KeyError, OSError], "handle_timeout": 0, "on_fail": print, "on_lost": "timeout", "serializer": "json"}
    job = queue.job(**options)(mail)
    made = job.options_of_job
    assert (job.name, made.channel, made.retry_seconds, made.backoff) == ("m", "bulk", (1.0, 5.0), None)
    assert (made.retry_on, made.give_up_on) == ((ValueError,), (KeyError, OSError))
    assert queue.job(name="n", backoff=False, retry_seconds=5)(mail).options_of_job.backoff is None
    assert queue.job(name="o", backoff=True)(mail).options_of_job.backoff == Backoff()


def test_a_parameter_named_delay_is_refused(queue: Queue) -> None:
    """Given a function with a parameter named delay, of any kind, then the decorator's error gives the reason and the remedy."""

    def by_place(delay: int) -> None: ...
    def by_keyword(*, delay: int = 5) -> None: ...

    functions: list[Any] = [by_place, by_keyword]
    for function in functions:
        with pytest.raises(JobDefinitionError, match="Rename the parameter"):
            queue.job(function)
    assert queue.jobs.names() == []


def test_a_job_is_decorated_once(queue: Queue) -> None:
    """Given a job, when it is decorated again, then an error is raised."""
    job = queue.job(mail)
    with pytest.raises(JobDefinitionError, match="is already a job"):
        queue.job(job)


def test_two_jobs_of_one_name_are_refused(queue: Queue) -> None:
    """Given two functions of one name, then the second is refused, and the error gives the place of both."""
    queue.job(name="mail")(mail)
    with pytest.raises(JobDefinitionError, match=r"two jobs have the name 'mail': .*test_bad_input\.py:\d+ and .*test_bad_input\.py:\d+"):
        queue.job(name="mail")(lambda: None)


def test_what_has_no_name_needs_one(queue: Queue) -> None:
    """Given a partial or a callable object, whose text differs in every process, then a name must be given."""

    class Callable:
        def __call__(self) -> None: ...

    for function in (functools.partial(mail, "a"), Callable()):
        with pytest.raises(JobDefinitionError, match=r"name the job with @queue\.job\(name="):
            queue.job(function)
    assert queue.job(name="partly")(functools.partial(mail, "a")).name == "partly"


def test_an_unknown_channel_is_refused(queue: Queue) -> None:
    """Given a channel that neither the settings nor a job names, then the push is refused, with the nearest name."""
    job = queue.job(channel="bulk")(mail)
    with pytest.raises(UnknownChannel, match=r"unknown channel 'bulky'; did you mean \"bulk\"\? .*\[channels\.bulky\]") as caught:
        job.options(channel="bulky").push("a")
    assert isinstance(caught.value, PushError)


def test_an_unknown_job_is_refused(queue: Queue) -> None:
    """Given a name that no job has, or a built-in one, then the push by name is refused, with the nearest name."""
    queue.job(name="mail")(mail)
    with pytest.raises(UnknownJob, match="unknown job 'male'"):
        queue.push_name("male")
    for name in ("taskq:call", "taskq:object"):
        with pytest.raises(UnknownJob):
            queue.push_name(name, [print])


@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
def test_a_message_over_the_limit_is_refused(make_queue: MakeQueue, serializer: Any) -> None:
    """Given a limit, when arguments are larger, then the error gives both sizes and the remedy; just below it they are stored."""
    queue = make_queue(serializer=serializer, max_message_size=10_000)
    job = queue.job(mail)
    with pytest.raises(MessageTooLarge, match=r"takes 1\d,\d\d\d bytes, over max_message_size = 10,000: store the data elsewhere"):
        job.push("x" * 10_000)
    assert job.push("x" * 9_800).delete()


def test_a_message_over_64_mebibytes_is_refused(queue: Queue) -> None:
    """Given the default limit, when an argument is larger, then it is refused."""
    with pytest.raises(MessageTooLarge, match="67,108,864"):
        queue.job(name="store")(len).push(bytes(64 << 20))


def test_an_unpicklable_argument_names_itself_and_the_job(queue: Queue) -> None:
    """Given an argument that can't be stored, then the error names argument and job."""
    job: Any = queue.job(mail)
    with pytest.raises(SerializationError, match=rf"argument 'subject' of {HERE}:mail \(lock\) can't be stored with pickle"):
        job.push("a", threading.Lock())


def test_a_call_of_another_queue_is_refused(make_queue: MakeQueue) -> None:
    """Given a job of another queue, when this one pushes it, then an error is raised: the job's own server must get it."""
    queue, other = make_queue(), make_queue()
    job, foreign = queue.job(mail), other.job(mail)
    with pytest.raises(ArgumentsError, match="a job of another Queue"):
        queue.send(foreign.bind("a"))
    with pytest.raises(ArgumentsError, match="a job of another Queue"):
        job.push_many([("a",), foreign.bind("b")])


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"channels": {"default": {"retry_seconds": []}}}, "retry_seconds"),
        ({"channels": {"default": {"processes": 0}}}, "processes"),
        ({"channels": {"a b": {}}}, "a b"),
        ({"serializer": "yaml"}, "serializer"),
        ({"url": "localhost:6379"}, "scheme"),
        ({"url": "http://localhost"}, "http"),
        ({"max_message_size": "-1"}, "max_message_size"),
        ({"secret": ""}, "secret"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], why: str) -> None:
    """Given settings that can't be, then the Queue isn't made, and the error names the setting."""
    with pytest.raises(ConfigError, match=why):
        Queue(**settings)


@pytest.mark.parametrize("identity", ["", "x" * 32, "0" * 31, "raw-" + "0" * 28, None, 5])
def test_what_is_no_id_makes_no_handle(queue: Queue, identity: Any) -> None:
    """Given text that can't be an id, then queue.handle refuses it at once."""
    with pytest.raises(ArgumentsError, match="32 hexadecimal digits"):
        queue.handle(identity)


def test_a_handle_from_an_id_needs_a_known_channel(queue: Queue) -> None:
    """Given an id and an unknown channel, then the error names the known channels; delete() of such a handle is refused."""
    with pytest.raises(UnknownChannel, match="default"):
        queue.handle("0" * 32, "defualt")
    with pytest.raises(TypeError, match="needs the handle that push returned"):
        queue.handle("A" * 32).delete()


def test_every_error_is_one_of_ours() -> None:
    """Given the errors of a push, then all can be caught as TaskqError."""
    for error in (
        ArgumentsError,
        ConfigError,
        DelayError,
        JobDefinitionError,
        MessageTooLarge,
        SerializationError,
        UnknownChannel,
        UnknownJob,
    ):
        assert issubclass(error, TaskqError)


def test_a_generator_that_keeps_nothing_is_refused(queue: Queue) -> None:
    """Given a generator function, sync or async, then the decorator refuses it without result_ttl: its items could not be read."""

    def numbers() -> Iterator[int]:
        yield 1

    async def later() -> Any:
        yield 1

    for function in (numbers, later):
        with pytest.raises(JobDefinitionError, match=r"is a generator.*result_ttl=3600"):
            queue.job(function)
    assert queue.jobs.names() == []


def test_a_wrapper_around_a_generator_is_refused(queue: Queue) -> None:
    """Given a plain wrapper around a generator function, then it is refused, for it would run nothing; a generator or coroutine is not."""

    def numbers() -> Iterator[int]:
        yield 1

    @functools.wraps(numbers)
    def logged() -> Any:
        return numbers()

    @functools.wraps(numbers)
    def passes_on() -> Any:
        yield from numbers()

    @functools.wraps(numbers)
    async def gathers() -> Any:
        return list(numbers())

    with pytest.raises(JobDefinitionError, match="wraps a generator function"):
        queue.job(name="logged", result_ttl=60)(logged)
    assert queue.job(name="passes_on", result_ttl=60)(passes_on)() is not None
    queue.job(name="gathers")(gathers)
    assert sorted(queue.jobs.names()) == ["gathers", "passes_on"]


def test_push_many_takes_a_list() -> None:
    """Given something that is not a list of calls, then the error shows one."""
    job = Queue("unix:///nowhere.sock").job(name="x")(lambda a: a)
    calls: Any = 5
    with pytest.raises(ArgumentsError, match=r"needs a list of calls; got int.*push_many\(\[\(1,\), \(2,\)\]\)"):
        job.push_many(calls)


def test_a_decorator_with_a_text_or_a_class_is_helped() -> None:
    """Given @queue.job("mail"), or a decorated class, then the error shows what was probably meant."""
    queue: Any = Queue("unix:///nowhere.sock")
    with pytest.raises(JobDefinitionError, match=r'@queue\.job\(channel="mail"\)'):
        queue.job("mail")
    with pytest.raises(JobDefinitionError, match=r"got the class dict: .*queue\.push"):
        queue.job(dict)
