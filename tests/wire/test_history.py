"""The history of a message: every kind of exception makes a record, and none makes the message grow without bound."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.wire.history import (
    ERROR_LIMIT,
    HISTORY_LIMIT,
    TRACEBACK_LIMIT,
    Kind,
    Record,
    add_record,
    pack_record,
    record_of,
    records,
    unparked,
)
from tests.support.limits import run_limited

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
any_record = st.builds(Record, st.sampled_from(get_args(Kind)), st.integers(0, 2**47), texts, st.integers(0, 65535), texts, texts)


class _Odd(Exception):
    """An exception whose text is made by a function."""

    def __init__(self, text: Any) -> None:
        super().__init__()
        self.text = text

    def __str__(self) -> str:
        return self.text()  # type: ignore[no-any-return]


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def _packed(record: Record) -> Record:
    """What is left of a record after it was stored."""
    (found,) = records(pack_record(record))
    return found


@given(st.lists(any_record, max_size=5))
def test_records_are_read_back(given_records: list[Record]) -> None:
    """Given any records, when they are packed one behind another, then they are read back."""
    assert records(b"".join(map(pack_record, given_records))) == given_records


@given(st.binary(max_size=100))
def test_any_bytes_are_a_history(garbage: bytes) -> None:
    """Given any bytes behind a body, then they are read without error, and the records before them remain."""
    record = record_of("failed", "w", 1, "it failed")
    assert records(pack_record(record) + garbage)[0] == record
    records(garbage)


def test_an_exception_is_recorded_with_its_traceback() -> None:
    """Given an exception that was raised, then its type, its text and where it came from are kept."""
    record = _packed(record_of("failed", "host:1", 2, _raised(ValueError("no such user"))))
    assert (record.kind, record.worker, record.attempt, record.error) == ("failed", "host:1", 2, "ValueError: no such user")
    assert "_raised" in record.traceback
    assert "no such user" in record.traceback


def test_a_reason_has_no_traceback() -> None:
    """Given a reason in words, then the record has no traceback."""
    record = record_of("parked", "w", 0, "no job of that name")
    assert (record.error, record.traceback) == ("no job of that name", "")


def _return_no_text() -> Any:
    return 5


def _raise_exit() -> Any:
    raise SystemExit(3)


def _raise_interrupt() -> Any:
    raise KeyboardInterrupt


def _recurse() -> Any:
    return _recurse()


@pytest.mark.parametrize(
    ("text", "why"),
    [(_return_no_text, "TypeError"), (_raise_exit, "SystemExit"), (_raise_interrupt, "KeyboardInterrupt"), (_recurse, "RecursionError")],
)
def test_an_exception_without_a_readable_text(text: Any, why: str) -> None:
    """Given an exception whose __str__ raises any exception, then the record contains that."""
    record = _packed(record_of("failed", "w", 1, _raised(_Odd(text))))
    assert record.error == f"_Odd: (its __str__ raised {why})"
    assert record.traceback


def test_surrogates_can_be_stored() -> None:
    """Given a text that is not valid UTF-8 (a file name of raw bytes), then it is stored with escapes."""
    record = _packed(record_of("failed", "w", 1, _raised(ValueError("file \udcff\ud800 is missing"))))
    assert record.error == "ValueError: file \\udcff\\ud800 is missing"
    assert "\\udcff" in record.traceback


@pytest.mark.parametrize("letter", ["x", "\n", "é", "\U0001f600", "\ud800"])
def test_ten_megabytes_of_text_are_cut(letter: str) -> None:
    """Given an exception with 10 MB of text, then both ends of it are kept, and the record stays within its bounds."""
    text = "begin " + letter * 10_000_000 + " end"
    record = record_of("failed", "w", 1, _raised(ValueError(text)))
    assert len(record.error) < ERROR_LIMIT + 100
    assert len(record.traceback) < TRACEBACK_LIMIT + 100
    assert record.error.startswith("ValueError: begin")
    assert record.error.endswith(" end")
    assert "characters left out" in record.error
    assert len(pack_record(record)) < HISTORY_LIMIT


def test_a_deep_recursion_is_recorded_briefly() -> None:
    """Given a RecursionError, then its traceback is within the bounds."""

    def again(depth: int) -> int:
        return again(depth + 1) + 1

    with pytest.raises(RecursionError) as caught:
        again(0)
    record = record_of("failed", "w", 1, caught.value)
    assert record.error.startswith("RecursionError")
    assert len(record.traceback) < TRACEBACK_LIMIT + 100


def test_causes_and_groups_are_recorded() -> None:
    """Given an exception with a cause, a context and inner ones, then the traceback contains them all."""
    inner = _raised(KeyError("the inner one"))
    error = ExceptionGroup("several", [_raised(ValueError("first")), _raised(OSError("second"))])
    error.__cause__ = inner
    record = _packed(record_of("failed", "w", 1, _raised(error)))
    assert all(text in record.traceback for text in ("the inner one", "first", "second"))


def test_a_record_of_a_group_names_its_errors() -> None:
    """Given a group with one error, however deep, then that is the error of the record; with several, each is named."""
    lost = ConnectionResetError("reset")
    one = ExceptionGroup("unhandled errors in a TaskGroup", [ExceptionGroup("inner", [lost])])
    assert record_of("failed", "w", 1, one).error == "ConnectionResetError: reset"
    several = ExceptionGroup("import", [one, ValueError("no"), lost])
    text = "ExceptionGroup: import (3 sub-exceptions): ConnectionResetError: reset; ValueError: no"
    assert record_of("failed", "w", 1, several).error == text


def test_a_long_chain_of_causes_is_cut() -> None:
    """Given an exception with thousands of causes, then there is a record within the bounds."""
    error: BaseException = ValueError("the first")
    for number in range(3_000):
        later = ValueError(f"number {number}")
        later.__context__ = error
        error = later
    assert len(record_of("failed", "w", 1, error).traceback) < TRACEBACK_LIMIT + 100


def test_a_traceback_that_can_t_be_printed() -> None:
    """Given an exception that breaks the printing of its traceback, then the record contains that."""

    class Broken(Exception):
        @property
        def __cause__(self) -> Any:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
            raise ZeroDivisionError

    record = _packed(record_of("failed", "w", 1, _raised(Broken("text"))))
    assert record.error == "Broken: text"
    assert record.traceback


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=30))
def test_a_history_never_grows_beyond_its_bound(sizes: list[int]) -> None:
    """Given any number of failed attempts with tracebacks of any size, then the history is bounded and its last record is whole."""
    data = b""
    for attempt, size in enumerate(sizes, 1):
        data = add_record(data, record_of("failed", "w", attempt, _Failure("x" * size)))
        assert len(data) <= HISTORY_LIMIT
        last = records(data)[-1]
        assert last.attempt == attempt
        assert last.traceback


class _Failure(Exception):
    """An exception with a text."""


def test_the_oldest_tracebacks_go_first() -> None:
    """Given more than there is room for, then old records lose their tracebacks before they are lost themselves."""
    data = b""
    for attempt in range(1, 11):
        data = add_record(data, record_of("failed", "w", attempt, _raised(ValueError("e" * 7_000))))
    kept = records(data)
    with_traceback = [record.attempt for record in kept if record.traceback]
    assert [record.attempt for record in kept] == list(range(1, 11))
    assert with_traceback == list(range(with_traceback[0], 11))
    assert 1 < with_traceback[0] < 10


def test_thousands_of_attempts_keep_the_last_ones() -> None:
    """Given a job that is retried forever, then the oldest records are removed, and the order stays."""
    data = b""
    for attempt in range(1, 400):
        data = add_record(data, record_of("failed", "w", attempt, "e" * 1500))
    attempts = [record.attempt for record in records(data)]
    assert attempts == list(range(attempts[0], 400))
    assert attempts[0] > 1


def test_the_largest_record_there_can_be_has_room() -> None:
    """Given texts at their bounds in letters of four bytes, then one record fits the history alone."""
    error = "\U0001f600" * (ERROR_LIMIT * 2)
    record = record_of("failed", "worker" * 200, 65535, error)
    record = Record(record.kind, record.at_ms, record.worker, record.attempt, record.error, "\U0001f600" * TRACEBACK_LIMIT)
    assert len(add_record(HISTORY_LIMIT * b"x", record)) <= HISTORY_LIMIT


def test_a_former_parking_is_forgotten() -> None:
    """Given a message that was parked once, when it fails later, then its history has the failures only."""
    data = add_record(b"", record_of("failed", "w", 1, "first"))
    data = add_record(data, record_of("parked", "w", 1, "unknown"))
    assert [record.kind for record in records(data)] == ["failed", "parked"]
    data = add_record(data, record_of("crashed", "w", 1, "signal 9"))
    assert [record.kind for record in records(data)] == ["failed", "crashed"]


def test_a_record_of_a_script_is_read_with_the_others() -> None:
    """Given a record that a script appended to the bytes, then it is one of the history."""
    data = add_record(b"", record_of("failed", "w", 1, "first")) + pack_record(record_of("crashed", "w", 1, "signal 9"))
    assert [record.kind for record in records(add_record(data, record_of("failed", "w", 2, "last")))] == ["failed", "crashed", "failed"]


def test_a_worker_with_an_odd_name_can_be_recorded() -> None:
    """Given a worker whose name is not valid UTF-8, then there is a record."""
    assert _packed(record_of("failed", "host\udcff", 1, "x")).worker.startswith("host")


def shorten() -> None:
    record = record_of("failed", "w", 1, "e")
    data = pack_record(record) * 300_000
    assert len(add_record(data, record)) <= HISTORY_LIMIT
    assert len(unparked(data)) <= HISTORY_LIMIT


def test_a_forged_history_is_shortened_in_one_pass() -> None:
    """Given a history far over its bound, as only another program writes it, then a worker shortens it in a few seconds of CPU time."""
    assert run_limited(shorten) == 0


def test_a_record_without_a_real_moment_ends_the_history() -> None:
    """Given a record of the year 10000, which no datetime can hold, then it is damaged, and the ones before it are read."""
    good = record_of("failed", "w", 1, "e")
    assert records(pack_record(good) + pack_record(Record("failed", 253_402_300_800_000, "w", 2, "e"))) == [good]
