"""Pushing from threads, after forks, and out of signal handlers' interruptions: no reply ever goes to another's request."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskq import Queue
from taskq.channel import State
from taskq.driver.contract import Command
from taskq.driver.pool import IDLE_LIMIT
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.support.relay import Relay
from tests.support.servers import ServerProcess

_CLIENT_ID = Command("info", ("CLIENT", "ID"))


def add(a: int, b: int = 1) -> int:
    return a + b


def _in_child(work: Callable[[], None]) -> int:
    """Fork, do the work there, and return the child's exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_threads_push_at_once(queue: Queue, shelf: Shelf) -> None:
    """Given eight threads that push and withdraw at once, then each withdraws its own message, and every other is stored."""
    job = queue.job(add)

    def work(thread: int) -> list[bool]:
        results = []
        for number in range(50):
            handle = job.push(thread, number)
            results.append(handle.delete() if number % 2 else True)
        return results

    with ThreadPoolExecutor(8) as pool:
        assert all(all(results) for results in pool.map(work, range(8)))
    assert sorted(seen.args for seen in shelf.waiting()) == [(thread, number) for thread in range(8) for number in range(0, 50, 2)]


def test_a_thread_that_ends_leaves_its_connection_to_others(queue: Queue) -> None:
    """Given threads one after another, then one connection serves them all."""
    job = queue.job(add)
    for number in range(5):
        thread = threading.Thread(target=job.push, args=(number,))
        thread.start()
        thread.join()
    assert len(queue.sender("default")._links.idle) == 1


def test_a_forked_child_pushes_over_a_connection_of_its_own(queue: Queue, shelf: Shelf) -> None:
    """Given a process that has pushed, when it forks and parent and children push at once, then every message is stored once."""
    job = queue.job(add)
    job.push(0)

    pids = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for number in range(100):
                    handle = job.push(child, number)
                    assert number % 2 or handle.delete()
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    for number in range(100):
        handle = job.push(9, number)
        assert number % 2 or handle.delete()
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0, 0, 0]
    expected = [(0,)] + [(process, number) for process in (0, 1, 2, 9) for number in range(1, 100, 2)]
    assert sorted(seen.args for seen in shelf.waiting()) == sorted(expected)
    assert len({seen.id for seen in shelf.waiting()}) == len(expected)


def test_a_thread_of_a_child_never_sees_the_parent_s_connections(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a child whose first push has just noticed the fork, if another thread pushes, then it has a connection of its own."""
    sender = queue.sender("default")
    ours = sender.call(_CLIENT_ID)
    theirs: list[int] = []

    def push_in_another_thread(*arguments: object) -> deque[object]:
        monkeypatch.undo()
        thread = threading.Thread(target=lambda: theirs.append(sender.call(_CLIENT_ID)))
        thread.start()
        thread.join(10)
        return deque()

    def work() -> None:
        monkeypatch.setattr("taskq.driver.pool.deque", push_in_another_thread)
        theirs.append(sender.call(_CLIENT_ID))
        assert len(theirs) == 2
        assert ours not in theirs

    assert _in_child(work) == 0
    assert sender.call(_CLIENT_ID) == ours


def test_a_child_that_ends_does_not_close_its_parent_s_connection(queue: Queue, server: ServerProcess) -> None:
    """Given a child that pushes and closes its queue, then the parent's connection still is the same and works."""
    job = queue.job(add)
    job.push(0)
    before = server.admin.info("stats")["total_connections_received"]

    def work() -> None:
        job.push(1)
        queue.close()

    assert _in_child(work) == 0
    job.push(2)
    assert server.admin.info("stats")["total_connections_received"] == before + 1


def test_an_interrupted_push_leaves_no_reply_behind(make_queue: MakeQueue, server: ServerProcess) -> None:
    """Given pushes that a signal handler interrupts with an exception, then later requests get their own replies."""

    class Interrupted(BaseException):
        """Like JobTimeout: no Exception."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    with Relay(server.socket) as relay:
        queue = make_queue(relay.url)
        job = queue.job(add)
        job.push(0)
        former = signal.signal(signal.SIGALRM, interrupt)
        try:
            for number in range(5):
                relay.hold()
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                with pytest.raises(Interrupted):
                    job.push(number)
                relay.release()
                handle = job.push(number)
                assert [handle.delete(), handle.delete()] == [True, False]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)
        queue.close()


def test_a_signal_handler_may_push_in_the_middle_of_a_push(queue: Queue, shelf: Shelf) -> None:
    """Given a signal handler that pushes, if it interrupts hundreds of pushes, then every push is stored once."""
    job = queue.job(add)
    job.push(0)
    handled: list[int] = []

    def handler(*_: object) -> None:
        handled.append(1)
        job.push(-len(handled))

    former = signal.signal(signal.SIGALRM, handler)
    number = 0
    try:
        while len(handled) < 200:
            number += 1
            signal.setitimer(signal.ITIMER_REAL, 0.00002 * (number % 20 + 1))  # once: a handler must not interrupt itself forever
            job.push(number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert sorted(seen.args[0] for seen in shelf.waiting()) == list(range(-len(handled), number + 1))


def test_a_closed_queue_can_be_used_again(queue: Queue, shelf: Shelf) -> None:
    """Given a queue that was closed, when something is pushed, then it connects again."""
    job = queue.job(add)
    job.push(1)
    queue.close()
    job.push(2)
    assert len(shelf.waiting()) == 2


def test_a_push_costs_little_more_than_the_command(queue: Queue, server: ServerProcess, prefix: str) -> None:
    """Given a thousand jobs in the app, then a push looks none of them up: it takes the processor little longer than its command."""
    jobs = [queue.job(name=f"job{number}")(add) for number in range(1_000)]
    client = server.client()

    def timed(work: Callable[[], object]) -> float:
        best = 1.0
        for _ in range(5):
            begin = time.thread_time()  # of this thread alone: the machine may be busy
            for _ in range(200):
                work()
            best = min(best, time.thread_time() - begin)
        return best / 200

    def push() -> None:
        jobs[500].push(1, 2)

    def bare() -> None:
        client.lpush(f"{prefix}-bare", b"x" * 80)

    push()
    bare()
    assert timed(push) < 3 * timed(bare)


def test_a_lent_connection_is_used_while_its_owner_rests(queue: Queue, shelf: Shelf) -> None:
    """Given a connection that is lent to this thread, then pushes use it, but not while its owner awaits a reply, nor in other threads."""
    job, sender = queue.job(add), queue.sender("default")
    link = sender.driver.link()
    ours = link.call(_CLIENT_ID)
    sender.lend(link)
    assert sender.call(_CLIENT_ID) == ours
    job.push(1)
    assert len(sender._links.idle) == 0
    link.send(sender.driver.wait_for_wake(5.0))
    job.push(2)
    assert sender.call(_CLIENT_ID) != ours
    link.close()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(job.push, 3).result()
        assert pool.submit(sender.call, _CLIENT_ID).result() != link.call(_CLIENT_ID)
    assert sorted(seen.args for seen in shelf.waiting()) == [(1,), (2,), (3,)]
    link.close()


def test_a_lent_connection_that_breaks_is_opened_again(queue: Queue, shelf: Shelf, server: ServerProcess) -> None:
    """Given a lent connection that the server has closed, then the next push over it is stored, and its owner can go on with it."""
    job, sender = queue.job(add), queue.sender("default")
    link = sender.driver.link()
    sender.lend(link)
    job.push(1)
    server.admin.client_kill_filter(_id=str(link.call(_CLIENT_ID)))
    job.push(2)
    assert link.call(sender.driver.count(State.WAITING)) == 2
    link.close()


def test_a_forked_child_has_no_part_in_a_lent_connection(queue: Queue, shelf: Shelf) -> None:
    """Given a connection that is lent, if a job forks and the copy pushes, then it opens a new one."""
    job, sender = queue.job(add), queue.sender("default")
    link = sender.driver.link()
    ours = link.call(_CLIENT_ID)
    sender.lend(link)

    def work() -> None:
        job.push(1)
        assert sender.call(_CLIENT_ID) != ours

    assert _in_child(work) == 0
    job.push(2)
    assert len(shelf.waiting()) == 2
    link.close()


def test_many_threads_leave_few_connections(queue: Queue) -> None:
    """Given sixty threads that push at once, when they are done, then few connections remain, and the next pushes use them."""
    job = queue.job(name="add")(lambda number: None)
    together = threading.Barrier(60)

    def push(number: int) -> None:
        together.wait()
        job.push(number)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender = queue.sender("default")
    assert 1 <= len(sender._links.idle) <= IDLE_LIMIT
    assert int(sender.call(sender.driver.count(State.WAITING))) == 60
