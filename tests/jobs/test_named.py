"""Pushes by name: of jobs that the program has, and of those that only the workers have."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from taskq import ArgumentsError, ConfigError, Handle, Queue, UnknownChannel, UnknownJob
from taskq.wire.signing import Signer
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.one_python

SEND = "shop.jobs:send"


def mail(to: str, subject: str = "hi") -> None: ...


def test_a_job_that_only_workers_have_is_pushed(make_queue: MakeQueue, server: ServerProcess, prefix: str) -> None:
    """Given a producer without an app, when it pushes by name, in every way, then the messages are signed and have the options."""
    queue = make_queue(secret="key", channels={"mail": {"channel": f"{prefix}-mail"}})
    handle: Handle[int] = queue.push_name(SEND, ["anna"], {"subject": "hello"}, max_attempts=2, result_ttl=60, handle_timeout=5)
    assert handle.status().state == "waiting"
    with queue.buffer():
        queue.push_name(SEND, ("ben",), once=True)
        queue.push_name(SEND)
    later = asyncio.run(_push_later(queue))
    assert later.channel == "mail"
    first, *buffered = Shelf(server, prefix, Signer(["key"], prefix)).waiting()
    assert (first.job, first.args, first.kwargs) == (SEND, ("anna",), {"subject": "hello"})
    assert first.options == {"max_attempts": 2, "result_ttl": 60, "handle_timeout": 5}
    assert sorted(one.args for one in buffered) == [(), ("ben",)]
    assert len(Shelf(server, f"{prefix}-mail", Signer(["key"], f"{prefix}-mail")).delayed()) == 1


async def _push_later(queue: Queue) -> Handle[Any]:
    handle = await queue.apush_name(SEND, ["carl"], channel="mail", delay=timedelta(hours=1))
    await queue.aclose()
    return handle


def test_a_misspelled_name_of_a_known_job_is_refused(queue: Queue, shelf: Shelf) -> None:
    """Given jobs of a module, when a name is misspelled or its module left out, then the error has the right one; others are pushed."""
    queue.job(mail)
    queue.job(name="report")(mail)
    home = __name__
    for name, meant in ((f"{home}:mial", f"{home}:mail"), ("mail", f"{home}:mail"), (f"{home}.mail", f"{home}:mail"), ("reprot", "report")):
        with pytest.raises(UnknownJob, match=f'unknown job {name!r}; did you mean "{meant}"') as caught:
            queue.push_name(name)
        assert isinstance(caught.value, UnknownJob)
    for name in ("billing.jobs:mail", "resize"):
        queue.push_name(name, ["a"])
    assert [one.job for one in shelf.waiting()] == ["billing.jobs:mail", "resize"]


def test_the_arguments_of_a_known_job_are_checked(queue: Queue) -> None:
    """Given a job of the program, then a push by name checks its arguments, as the job's own push does."""
    queue.job(mail)
    with pytest.raises(ArgumentsError, match="missing a required argument: 'to'"):
        queue.push_name(f"{__name__}:mail")


@pytest.mark.parametrize("name", ["taskq:call", "taskq:object", "", "a\nb", 5, "x" * 501])
def test_an_invalid_name_is_refused(queue: Queue, name: Any) -> None:
    """Given a built-in name, or one that no job can have, then the push raises, with an example of a name."""
    with pytest.raises(UnknownJob, match=r"invalid job name .*; expected the full name of a job, such as shop\.jobs:send_email"):
        queue.push_name(name, [print])


def test_wrong_arguments_and_options_are_refused(queue: Queue) -> None:
    """Given arguments of a wrong type, an unknown option or an unknown channel, then the push by name raises as others do."""
    for args in ("12", b"12", 12, None, {"a": 1}):
        with pytest.raises(ArgumentsError, match=r"the arguments of shop\.jobs:send must be a list or a tuple; got"):
            queue.push_name(SEND, args)  # type: ignore[arg-type]
    for kwargs in ([1], {1: 2}, "a"):
        with pytest.raises(ArgumentsError, match="must be a dict with names as keys"):
            queue.push_name(SEND, [], kwargs)  # type: ignore[arg-type]
    options: Any = {"countdown": 5}
    with pytest.raises(ConfigError, match="countdown"):
        queue.push_name(SEND, **options)
    with pytest.raises(UnknownChannel, match=r"unknown channel 'mail'.*\[channels\.mail\]"):
        queue.push_name(SEND, channel="mail")
