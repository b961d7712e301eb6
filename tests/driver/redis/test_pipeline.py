"""A connection that many tasks share: each task gets its own reply, and the right error when the connection breaks."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from taskq.driver.contract import Command, Script
from taskq.driver.redis import pipeline as module
from taskq.errors import ServerRefused, ServerUnavailable
from tests.driver.redis.scripted import Client, Scripted, scripted
from tests.support.wait import until

Play = Callable[[Scripted], Coroutine[Any, Any, None]]
_NEEDS_312 = pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has no eager tasks")
EAGER = pytest.mark.parametrize("is_eager", [False, pytest.param(True, marks=_NEEDS_312)])


def _play(folder: Path, play: Play, **options: Any) -> None:
    async def main() -> None:
        async with scripted(folder) as server:
            await play(server)

    with asyncio.Runner(**options) as runner:
        runner.run(main())


async def _outcomes(*tasks: asyncio.Task[object]) -> list[object]:
    """Return the result of each task, or "sent" or "unsent" if its connection broke."""
    async with asyncio.timeout(30):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    return [("sent" if one.sent else "unsent") if isinstance(one, ServerUnavailable) else one for one in results]


def _make_late(server: Scripted) -> None:
    """Let the deadline of all commands that were sent first be over."""
    pipeline = server.link._pipeline
    assert pipeline is not None
    pipeline._sent[0].deadline = 0.0
    pipeline._expire()


@EAGER
def test_the_commands_of_one_tick_leave_in_one_write(tmp_path: Path, is_eager: bool) -> None:
    """Given fifty tasks that call at once, also eager ones, then their commands come in one piece, over one connection, in order."""

    async def play(server: Scripted) -> None:
        first = server.call("FIRST")
        (await server.got(1)).reply(b"+OK")
        await first
        if is_eager:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        calls = [server.call("GET", str(number)) for number in range(50)]
        client = await server.got(51)
        client.reply(*(b":%d" % number for number in range(50)))
        assert await asyncio.gather(*calls) == list(range(50))
        assert (client.pieces, len(server.clients)) == (2, 1)
        assert [command[1] for command in client.commands[1:]] == [b"%d" % number for number in range(50)]

    _play(tmp_path, play)


def test_an_error_reply_is_for_one_caller_only(tmp_path: Path) -> None:
    """Given an error among the replies, then its caller gets it, the others get theirs, and the connection stays."""

    async def play(server: Scripted) -> None:
        calls = [server.call("GET", key) for key in "abc"]
        (await server.got(3)).reply(b"+1", b"-WRONGTYPE not a list", b"+3")
        one, two, three = await asyncio.gather(*calls, return_exceptions=True)
        assert (one, three) == (b"1", b"3")
        assert isinstance(two, ServerRefused)
        last = server.call("GET", "d")
        (await server.got(4)).reply(b"+4")
        assert await last == b"4"

    _play(tmp_path, play)


def test_the_reply_to_a_cancelled_call_is_thrown_away(tmp_path: Path) -> None:
    """Given calls that are cancelled before and after they were sent, then each of the others gets its own reply."""

    async def play(server: Scripted) -> None:
        calls = [server.call("GET", str(number)) for number in range(4)]
        await server.got(4)
        later = [server.call("GET", str(number)) for number in range(4, 6)]
        await asyncio.sleep(0)
        calls[1].cancel()
        later[0].cancel()
        client = await server.got(6)
        client.reply(*(b":%d" % number for number in range(6)))
        outcomes = await asyncio.gather(*calls, *later, return_exceptions=True)
        assert [one for one in outcomes if isinstance(one, int)] == [0, 2, 3, 5]
        assert sum(isinstance(one, asyncio.CancelledError) for one in outcomes) == 2
        assert len(server.clients) == 1

    _play(tmp_path, play)


def test_all_calls_are_cancelled(tmp_path: Path) -> None:
    """Given a call that is alone and is cancelled, when another follows before the reply, then it gets the second reply."""

    async def play(server: Scripted) -> None:
        first = server.call("GET", "a")
        client = await server.got(1)
        first.cancel()
        await asyncio.wait([first])
        second = server.call("GET", "b")
        await server.got(2)
        client.reply(b"+a", b"+b")
        assert await second == b"b"

    _play(tmp_path, play)


def test_a_broken_connection_fails_all_that_wait(tmp_path: Path) -> None:
    """Given calls without a reply, when the server closes the connection, then each was sent, and the next uses another connection."""

    async def play(server: Scripted) -> None:
        calls = [server.call("GET", key) for key in "abc"]
        client = await server.got(3)
        client.reply(b"+a")
        client.transport.close()
        assert await _outcomes(*calls) == [b"a", "sent", "sent"]
        last = server.call("GET", "d")
        (await server.got(1, 1)).reply(b"+d")
        assert await last == b"d"

    _play(tmp_path, play)


def test_bytes_that_are_no_reply_break_the_connection(tmp_path: Path) -> None:
    """Given bytes that are not of the protocol, then no caller gets a reply that may belong to another one."""

    async def play(server: Scripted) -> None:
        calls = [server.call("GET", key) for key in "ab"]
        (await server.got(2)).reply(b"?what", b"+a", b"+b")
        assert await _outcomes(*calls) == ["sent", "sent"]

    _play(tmp_path, play)


def test_what_was_not_written_was_not_sent(tmp_path: Path) -> None:
    """Given a connection that takes no more bytes, when it breaks, then only what was being written may have been sent."""

    async def play(server: Scripted) -> None:
        first = server.call("GET", "a")
        client = await server.got(1)
        client.reply(b"+a")
        await first
        pipeline = server.link._pipeline
        assert pipeline is not None
        stuck = asyncio.Event()

        async def send(*args: Any, **kwargs: Any) -> None:
            await stuck.wait()

        pipeline._connection.send_packed_command = send  # type: ignore[method-assign]
        written = server.call("GET", "b")
        while not pipeline._sent:
            await asyncio.sleep(0)
        waiting = server.call("GET", "c")
        while not pipeline._unsent.waiting:
            await asyncio.sleep(0)
        await pipeline._break(ConnectionError("cut"))
        stuck.set()
        assert await _outcomes(written, waiting) == ["sent", "unsent"]

    _play(tmp_path, play)


def test_bytes_without_a_reply_are_bounded(tmp_path: Path) -> None:
    """Given a server that reads nothing, and many large commands, then few are packed; when it reads, all are sent."""

    async def play(server: Scripted) -> None:
        server.reads = False
        calls = [server.call("SET", str(number), b"x" * (2 << 20)) for number in range(8)]
        for _ in range(50):
            await asyncio.sleep(0)
        await until(lambda: server.clients)
        pipeline = server.link._pipeline
        assert pipeline is not None
        assert sum(len(batch.waiting) for batch in [*pipeline._sent, pipeline._unsent]) == 2
        server.clients[0].transport.resume_reading()
        for number in range(8):
            (await server.got(number + 1)).reply(b":%d" % number)
        assert await _outcomes(*calls) == list(range(8))
        assert len(server.clients) == 1

    _play(tmp_path, play)


def test_a_call_that_finds_no_room_ends(tmp_path: Path) -> None:
    """Given a connection that is full for longer than the limit, then a further call ends, and nothing of it was sent."""

    async def play(server: Scripted) -> None:
        first = server.call("SET", "a", b"x" * (5 << 20))
        await server.got(1)
        server.link._timeout = 0.05
        assert await _outcomes(server.call("GET", "b")) == ["unsent"]
        server.clients[0].reply(b"+OK")
        assert await first == b"OK"

    _play(tmp_path, play)


def test_each_call_has_its_own_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a late reply, then only its caller fails, a later one on the same connection gets its own, and new ones use another."""
    monkeypatch.setattr(module, "GRACE", 0.0)

    async def play(server: Scripted) -> None:
        first = server.call("GET", "a")
        await server.got(1)
        second = server.call("GET", "b")
        old = await server.got(2)
        _make_late(server)
        assert await _outcomes(first) == ["sent"]
        third = server.call("GET", "c")
        (await server.got(1, 1)).reply(b"+c")
        assert await third == b"c"
        assert not second.done()
        old.reply(b"+a", b"+b")
        assert await second == b"b"
        await until(lambda: old.is_closed)

    _play(tmp_path, play)


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a reply that never comes, when the time of the last caller is over, then the connection is closed."""
    monkeypatch.setattr(module, "GRACE", 0.0)

    async def play(server: Scripted) -> None:
        calls = [server.call("GET", key) for key in "ab"]
        client = await server.got(2)
        _make_late(server)
        assert await _outcomes(*calls) == ["sent", "sent"]
        await until(lambda: client.is_closed)

    _play(tmp_path, play)


def test_the_limit_is_kept_without_help(tmp_path: Path) -> None:
    """Given a link with a short limit and a server that doesn't answer, then the call ends."""

    async def play(server: Scripted) -> None:
        server.link._timeout = 0.05
        assert await _outcomes(server.call("GET", "a")) == ["sent"]

    _play(tmp_path, play)


def test_a_reply_that_came_in_time_is_read_after_the_loop_was_blocked(tmp_path: Path) -> None:
    """Given a reply that has arrived while the event loop was blocked, when the deadline is over, then the reply still counts."""

    async def play(server: Scripted) -> None:
        call = server.call("GET", "a")
        (await server.got(1)).reply(b"+a")
        _make_late(server)
        assert await _outcomes(call) == [b"a"]

    _play(tmp_path, play)


@pytest.mark.parametrize("reply", [b"-READONLY a replica", b"-LOADING the dataset", b"-MASTERDOWN no link", b"-CLUSTERDOWN no quorum"])
def test_a_server_that_cannot_serve_now_is_left(tmp_path: Path, reply: bytes) -> None:
    """Given such a reply to each call, then nothing was sent, the calls that still wait get theirs, and the next goes elsewhere."""

    async def play(server: Scripted) -> None:
        calls = [server.call("LPUSH", "a", "b") for _ in range(2)]
        client = await server.got(2)
        client.reply(reply)
        assert await _outcomes(calls[0]) == ["unsent"]
        last = server.call("GET", "d")
        (await server.got(1, 1)).reply(b"+d")
        assert await last == b"d"
        client.reply(b":1")
        assert await _outcomes(calls[1]) == [1]
        await until(lambda: client.is_closed)

    _play(tmp_path, play)


def test_a_login_that_ended_is_repeated(tmp_path: Path) -> None:
    """Given a reply that the client isn't logged in, then its caller gets it, and the next logs in over another connection."""

    async def play(server: Scripted) -> None:
        call = server.call("GET", "a")
        (await server.got(1)).reply(b"-NOAUTH Authentication required.")
        with pytest.raises(ServerRefused, match="Authentication required"):
            await call
        last = server.call("GET", "b")
        (await server.got(1, 1)).reply(b"+b")
        assert await last == b"b"

    _play(tmp_path, play)


def test_a_server_without_room_has_read_nothing(tmp_path: Path) -> None:
    """Given a server that has no room for the connection, then nothing was sent."""

    async def play(server: Scripted) -> None:
        calls = [server.call("GET", key) for key in "ab"]
        client = await server.got(2)
        client.reply(b"-ERR max number of clients reached")
        client.transport.close()
        assert await _outcomes(*calls) == ["unsent", "unsent"]

    _play(tmp_path, play)


def test_an_unknown_script_is_sent_whole(tmp_path: Path) -> None:
    """Given a server that doesn't know a script, then its text follows, and the other calls aren't disturbed."""

    async def play(server: Scripted) -> None:
        scripts = [asyncio.create_task(server.link.call(Command("move", ("0",), Script("move", "return 1", "ab" * 20)))) for _ in range(2)]
        plain = server.call("GET", "a")
        client = await server.got(3)
        client.reply(b"-NOSCRIPT none", b"-NOSCRIPT none", b"+a")
        await server.got(5)
        assert [command[:2] for command in client.commands[3:]] == [[b"EVAL", b"return 1"]] * 2
        client.reply(b":1", b":2")
        assert await asyncio.gather(*scripts, plain) == [1, 2, b"a"]

    _play(tmp_path, play)


def test_a_cancelled_caller_does_not_stop_the_connect(tmp_path: Path) -> None:
    """Given two callers that wait for the connection, when the first is cancelled, then the second gets its reply."""

    async def play(server: Scripted) -> None:
        first, second = server.call("GET", "a"), server.call("GET", "b")
        await asyncio.sleep(0)
        first.cancel()
        (await server.got(1)).reply(b"+b")
        assert await second == b"b"
        assert (first.cancelled(), len(server.clients)) == (True, 1)

    _play(tmp_path, play)


@EAGER
def test_a_failed_connect_is_repeated(tmp_path: Path, is_eager: bool) -> None:
    """Given no server, also with eager tasks, whose connect fails at once, when the server appears, then the next call is answered."""

    async def main() -> None:
        loop, path = asyncio.get_running_loop(), tmp_path / "scripted.sock"
        if is_eager:
            loop.set_task_factory(asyncio.eager_task_factory)
        server = Scripted(path)
        assert await _outcomes(server.call("GET", "a")) == ["unsent"]
        listener = await loop.create_unix_server(lambda: Client(server), path)
        call = server.call("GET", "a")
        (await server.got(1)).reply(b"+a")
        assert await _outcomes(call) == [b"a"]
        await server.link.close()
        listener.close()

    asyncio.run(main())


def test_a_new_connection_is_used_whatever_it_has_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a connection that has something to read, such as a ticket of TLS, then the call isn't put off to another connection."""
    monkeypatch.setattr(module.Pipeline, "is_stale", lambda _: True)

    async def play(server: Scripted) -> None:
        call = server.call("GET", "a")
        (await server.got(1)).reply(b"+a")
        assert await _outcomes(call) == [b"a"]
        assert len(server.clients) == 1

    _play(tmp_path, play)


def test_the_reason_of_a_rejected_connection_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server that rejects a connection before a command comes, then nothing was sent, and the error has the reason."""
    monkeypatch.setattr(module.Pipeline, "is_stale", lambda _: True)
    monkeypatch.setattr(module, "GRACE", 30.0)

    async def play(server: Scripted) -> None:
        server.last_words = b"-ERR max number of clients reached"
        with pytest.raises(ServerUnavailable, match="max number of clients") as caught:
            await server.call("GET", "a")
        assert not caught.value.sent

    _play(tmp_path, play)


@pytest.mark.parametrize("name", ["_sender", "_opening"])
@pytest.mark.parametrize("is_soon", [False, True])
def test_a_task_that_is_cancelled_before_it_begins_leaves_the_link_usable(tmp_path: Path, name: str, is_soon: bool) -> None:
    """Given a program that cancels all tasks when one of the link's own has just been made, then the next call gets its reply."""

    async def play(server: Scripted) -> None:
        if name == "_sender":
            first = server.call("FIRST")
            (await server.got(1)).reply(b"+OK")
            await first
        cancelled = server.call("GET", "a")
        await asyncio.sleep(0)
        task = getattr(server.link._pipeline if name == "_sender" else server.link, name)
        assert not task.done()
        call = server.call("GET", "b") if is_soon else None
        for one in (task, cancelled):
            one.cancel()
        if call is None:
            await asyncio.wait([task, cancelled])
            call = server.call("GET", "b")
        client = await server.got(1 if name == "_opening" else 3 if is_soon else 2)
        client.reply(*[b"+b"] * (2 if name == "_sender" and is_soon else 1))
        assert await _outcomes(call) == [b"b"]

    _play(tmp_path, play)


def test_closing_waits_for_the_replies(tmp_path: Path) -> None:
    """Given a call without a reply, when the link is closed, then the call gets its reply, and the connection is closed."""

    async def play(server: Scripted) -> None:
        call = server.call("GET", "a")
        client = await server.got(1)
        closing = asyncio.create_task(server.link.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        client.reply(b"+a")
        await closing
        assert await call == b"a"
        await until(lambda: client.is_closed)

    _play(tmp_path, play)


def test_nothing_is_left_when_the_loop_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Given a call that waits when the event loop ends, then asyncio reports no pending task, and no connection is left."""

    async def main() -> None:
        server = Scripted(tmp_path / "scripted.sock")
        listener = await asyncio.get_running_loop().create_unix_server(lambda: Client(server), tmp_path / "scripted.sock")
        server.call("GET", "a")
        client = await server.got(1)
        listener.close()
        asyncio.get_running_loop().call_soon(client.transport.abort)

    asyncio.run(main())
    gc.collect()
    assert not caplog.records


_variable: ContextVar[str] = ContextVar("_variable")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 doesn't show a task's context")
def test_the_task_of_many_callers_has_the_variables_of_none(tmp_path: Path) -> None:
    """Given a caller with a context variable, then the task that reads the replies doesn't keep its value."""

    async def play(server: Scripted) -> None:
        _variable.set("of the caller")
        call = server.call("GET", "a")
        client = await server.got(1)
        assert server.link._pipeline is not None
        reader = server.link._pipeline._reader
        assert reader is not None
        assert _variable not in reader.get_context()
        client.reply(b"+a")
        await call

    _play(tmp_path, play)


def test_redis_py_has_what_the_pipeline_needs(tmp_path: Path) -> None:
    """Given a connection of redis-py, then it has the one private attribute that is used, and no limit once its own is removed."""

    async def play(server: Scripted) -> None:
        call = server.call("GET", "a")
        (await server.got(1)).reply(b"+a")
        await call
        pipeline = server.link._pipeline
        assert pipeline is not None
        connection: redis.asyncio.Connection = pipeline._connection
        assert isinstance(connection._writer, asyncio.StreamWriter)
        assert connection.socket_timeout is None
        assert connection.is_connected

    _play(tmp_path, play)
