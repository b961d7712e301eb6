"""The ledger of a simulation: which runs are explained, and by what."""

from __future__ import annotations

import pytest

from taskq.tools.simulation.ledger import Entry, Ledger, Step
from taskq.tools.simulation.party import Violation
from taskq.tools.simulation.world import World

HEADERS = {"number": "0"}


def ledger(*, max_attempts: int = 2) -> tuple[Ledger, bytes]:
    """Return a ledger with one message, and the id of the message."""
    entry = Entry(0, (Step(1.0, "ok"),), 0.0, 0.0)
    return Ledger(World(0), [entry], max_attempts, 10.0), entry.identity


def test_two_runs_at_once_are_a_violation() -> None:
    """Given a message that runs, when it starts in another worker, then that is found."""
    book, identity = ledger()
    book.start(identity, "a", HEADERS)
    with pytest.raises(Violation, match="one holder: message #0 starts in b while it runs in a"):
        book.start(identity, "b", HEADERS)


def test_a_run_after_a_finished_one_is_a_violation() -> None:
    """Given a message whose run has succeeded, when it starts again, then that is found."""
    book, identity = ledger()
    book.start(identity, "a", HEADERS).outcome = "ok"
    with pytest.raises(Violation, match="runs explained: message #0 starts in b although its run in a ended: ok"):
        book.start(identity, "b", HEADERS)


def test_more_attempts_than_allowed_are_a_violation() -> None:
    """Given a message whose attempts are used up, when it starts again, then that is found."""
    book, identity = ledger()
    for worker in ("a", "b"):
        book.start(identity, worker, HEADERS).outcome = "raise"
    with pytest.raises(Violation, match="runs explained: message #0 starts in c after 2 counted attempts"):
        book.start(identity, "c", HEADERS)


def test_a_killed_process_explains_another_run() -> None:
    """Given a run whose process was killed, in it or before it was settled, then the message may start again."""
    for outcome in (None, "ok"):
        book, identity = ledger()
        book.start(identity, "a", HEADERS).outcome = outcome
        book.process_ended("a")
        book.start(identity, "b", HEADERS)
        assert book.count == 2


def test_a_message_taken_from_a_healthy_worker_is_a_violation() -> None:
    """Given a message that runs, when it leaves the reserved list of its worker, then only a missing heartbeat explains that."""
    book, identity = ledger()
    run = book.start(identity, "a", HEADERS)
    with pytest.raises(Violation, match="one holder: message #0 was taken from a, where it runs, to waiting"):
        book.left(run, "waiting", "")
    book.left(run, "waiting", "no heartbeat for 20 s")
    book.start(identity, "b", HEADERS)


def test_a_cancelled_message_must_not_start() -> None:
    """Given a message that was removed by a cancel, when it starts, then that is found."""
    book, identity = ledger()
    book.by_id[identity].is_removed = True
    with pytest.raises(Violation, match="cancelled: message #0 starts in a although a cancel had removed it"):
        book.start(identity, "a", HEADERS)


def test_a_run_without_its_headers_is_a_violation() -> None:
    """Given a message with headers, when it starts without them, then that is found."""
    book, identity = ledger()
    with pytest.raises(Violation, match=r"headers kept: message #0 starts in a with the headers \{\}"):
        book.start(identity, "a", {})


@pytest.mark.parametrize("place", ["waiting", "reserved:b"])
def test_a_failure_of_a_silent_worker_explains_another_run(place: str) -> None:
    """Given the last attempt in a worker without heartbeats, when its message is rescued before the failure is settled, then it may run."""
    book, identity = ledger(max_attempts=1)
    run = book.start(identity, "a", HEADERS)
    run.outcome = "raise"
    book.left(run, place, "no heartbeat for 15.0 s")
    book.start(identity, "b", HEADERS)
    assert book.count == 2
