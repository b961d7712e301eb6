"""The verdict of the chaos: what counts as lost, and which fault explains a second run."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskq.tools.chaos.app import LEASE
from taskq.tools.chaos.judge import Verdict, judge
from taskq.tools.chaos.ledger import FIRST_ASKED, Birth, Book, Push, Run
from taskq.tools.chaos.stage import Fault

SUPERVISOR, ZYGOTE, CHILD, OTHER = 10, 11, 12, 22
END = 100.0


def _push(number: int, outcome: str = "accepted", kind: str = "steady") -> Push:
    return Push(number, kind, 1.0, outcome)  # type: ignore[arg-type]


def _run(number: int, pid: int, start: float, end: float | None = None, *, attempt: int = 1, ending: str = "done") -> Run:
    return Run(number, f"id{number}", attempt, pid, start, end, None if end is None else ending)  # type: ignore[arg-type]


def _fault(kind: str, begin: float, end: float | None = None, **who: int) -> Fault:
    return Fault(kind=kind, begin=begin, end=begin if end is None else end, text=kind, **who)


def _verdict(pushes: list[Push], runs: list[Run], faults: list[Fault]) -> Verdict:
    """Judge a ledger with two supervisors, one worker process each."""
    book = Book(Path("/nowhere"))
    book.pushes = {push.number: push for push in pushes}
    for run in runs:
        book.runs.setdefault(run.number, []).append(run)
        if run.ending == "done":
            book.done.add(run.number)
    book.births = [Birth(CHILD, ZYGOTE, SUPERVISOR, 0.0), Birth(OTHER, 21, 20, 0.0)]
    return judge(book, faults, {SUPERVISOR: 0, 20: 1}, END)


def test_what_was_accepted_must_have_been_done() -> None:
    """Given accepted, unknown and refused pushes of which none ran to its end, then only the accepted one is lost."""
    verdict = _verdict([_push(1), _push(2, "unknown"), _push(3, "refused")], [_run(1, CHILD, 5.0)], [])
    assert (verdict.lost, verdict.is_good) == (1, False)
    assert verdict.problems == [
        "lost: number 1 (steady, accepted at 1.000); attempt 1 of id1 in 12 from 5.000 without an end",
    ]


def test_a_refused_push_must_not_run() -> None:
    """Given a push that raised QueueFull, if its job runs anyway, then that is a problem."""
    verdict = _verdict([_push(1, "refused")], [_run(1, CHILD, 5.0, 6.0)], [])
    assert verdict.problems == [
        "refused, and yet it ran: number 1 (steady, refused at 1.000); attempt 1 of id1 in 12 from 5.000 to 6.000 (done)"
    ]


def test_a_push_must_be_stored_once() -> None:
    """Given one number that ran under two ids, then its push was stored twice."""
    twice = [_run(1, CHILD, 5.0, 6.0), Run(1, "another", 2, CHILD, 7.0, 8.0, "done")]
    assert any(problem.startswith("stored twice") for problem in _verdict([_push(1)], twice, []).problems)


def test_a_retry_is_no_repetition() -> None:
    """Given a failed attempt and the next one, then it is a retry; without a failed one before it is a problem."""
    failed = _run(1, CHILD, 5.0, 6.0, ending="raised")
    good = _verdict([_push(1)], [failed, _run(1, OTHER, 7.0, 8.0, attempt=2)], [])
    assert (good.retries, good.doubled, good.is_good) == (1, 0, True)
    bad = _verdict([_push(1)], [_run(1, OTHER, 7.0, 8.0, attempt=2)], [])
    assert any(problem.startswith("attempt 2 without a failed one") for problem in bad.problems)


BEFORE, LATE = _run(1, CHILD, 5.0), _run(1, CHILD, 5.0, 9.0)
AFTER = _run(1, OTHER, 10.0, 11.0)


@pytest.mark.parametrize(
    ("before", "fault", "reason"),
    [
        (BEFORE, _fault("child", 6.0, child=CHILD, supervisor=SUPERVISOR), "child: killed while it ran"),
        (BEFORE, _fault("zygote", 6.0, zygote=ZYGOTE, supervisor=SUPERVISOR), "zygote: killed while it ran"),
        (BEFORE, _fault("machine", 6.0, supervisor=SUPERVISOR), "machine: killed while it ran"),
        (LATE, _fault("supervisor", 9.1, supervisor=SUPERVISOR), "supervisor: killed before it was settled"),
        (LATE, _fault("freeze-long", 6.0, 6.0 + 2 * LEASE, supervisor=SUPERVISOR), "freeze-long: given up for dead"),
    ],
)
def test_a_fault_explains_a_second_run(before: Run, fault: Fault, reason: str) -> None:
    """Given two runs of an attempt, if a fault hit the first one's process in time, then it is the reason."""
    verdict = _verdict([_push(1)], [before, AFTER], [fault])
    assert (verdict.reasons, verdict.is_good) == ({reason: 1}, True)


@pytest.mark.parametrize(
    ("before", "fault"),
    [
        (BEFORE, _fault("child", 6.0, child=OTHER, supervisor=20)),  # somebody else's process
        (BEFORE, _fault("child", 4.0, child=CHILD, supervisor=SUPERVISOR)),  # before it ran
        (BEFORE, _fault("supervisor", 20.0, supervisor=SUPERVISOR)),  # after it ran again
        (LATE, _fault("supervisor", 9.5, supervisor=SUPERVISOR)),  # when it should have been settled long ago
        (BEFORE, _fault("freeze-short", 6.0, 6.5, supervisor=SUPERVISOR)),  # too short to be given up
        (BEFORE, _fault("server", 6.0, 9.0)),  # an outage is no reason to run anything twice
        (BEFORE, _fault("replies", 6.0)),
        (LATE, _fault("stop", 8.0, supervisor=SUPERVISOR)),  # it had its time
        (BEFORE, _fault("restart", 6.0, supervisor=SUPERVISOR)),
    ],
)
def test_other_faults_explain_nothing(before: Run, fault: Fault) -> None:
    """Given two runs of an attempt, if no fault hit the first one's process at that time, then it is a problem."""
    verdict = _verdict([_push(1)], [before, AFTER], [fault])
    assert verdict.reasons == {}
    assert [problem.split(":")[0] for problem in verdict.problems] == ["ran again without a fault"]


@pytest.mark.parametrize("kind", ["server", "log"])
def test_what_ended_while_settling_was_delayed_may_be_unsettled(kind: str) -> None:
    """Given a run that ended in an outage, or while the log was not read, then a late kill of its supervisor explains the second run."""
    faults = [_fault(kind, 8.9, 9.8), _fault("supervisor", 9.7, supervisor=SUPERVISOR)]
    assert _verdict([_push(1)], [LATE, AFTER], faults).reasons == {"supervisor: killed before it was settled": 1}


def test_whoever_waits_for_the_server_in_its_run_can_not_end_without_it() -> None:
    """Given a generator job in an outage, if its worker is told to end, then the kill at its stop_timeout explains the second run."""
    asked = FIRST_ASKED + 1
    runs = [_run(asked, CHILD, 5.0), _run(asked, OTHER, 10.0, 10.5)]
    faults = [_fault("stop", 6.0, supervisor=SUPERVISOR), _fault("hang", 6.5, 9.9)]
    assert _verdict([], runs, faults).reasons == {"stop: stopped while the server was unreachable": 1}
    assert _verdict([], runs, faults[:1]).reasons == {}


@pytest.mark.parametrize(
    ("before", "other", "reason"),
    [
        (BEFORE, _fault("freeze-child", 6.5, 9.5, child=CHILD, supervisor=SUPERVISOR), "stop: stopped while it was frozen"),
        (LATE, _fault("server", 8.0, 9.9), "stop: stopped while the server was unreachable"),
        (LATE, _fault("connections", 9.0), None),  # another connection does it
        (BEFORE, _fault("server", 6.5, 9.9), None),  # the job could end anyway
    ],
)
def test_a_process_asked_to_end_settles_if_it_can(before: Run, other: Fault, reason: str | None) -> None:
    """Given a worker that is told to end, then a second run is explained when it was frozen, or the server away, and by nothing less."""
    verdict = _verdict([_push(1)], [before, AFTER], [_fault("stop", 7.0, supervisor=SUPERVISOR), other])
    assert verdict.reasons == ({} if reason is None else {reason: 1})


def test_recovery_is_measured_from_the_fault() -> None:
    """Given a killed child and a frozen supervisor, then the interrupted job's wait and the seat's first start are told."""
    runs = [BEFORE, AFTER, _run(2, CHILD, 31.0, 32.0)]
    faults = [
        _fault("child", 6.0, child=CHILD, supervisor=SUPERVISOR, worker=0),
        _fault("freeze-short", 29.0, 30.5, supervisor=SUPERVISOR, worker=0),
    ]
    recovery = _verdict([_push(1), _push(2)], runs, faults).recovery
    assert (recovery["child"].again_max, recovery["child"].resumed_max) == (4.0, None)
    assert (recovery["freeze-short"].again_max, recovery["freeze-short"].resumed_max) == (None, 0.5)


def test_every_answer_must_arrive_and_be_right() -> None:
    """Given callers of whom one waits forever, one got another's result, and one an error, then each is told, and the rest counted."""
    book = Book(Path("/nowhere"))
    book.asked = {1, 2, 3, 4}
    book.answers = {2: "wrong", 3: "NoResult", 4: "right"}
    verdict = judge(book, [], {}, END)
    assert (verdict.answered, verdict.is_good) == (1, False)
    assert [problem.partition(":")[0] for problem in verdict.problems] == ["waits forever", "got wrong", "got NoResult"]
