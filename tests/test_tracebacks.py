"""Tracebacks begin in the application."""

from __future__ import annotations

import gc
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

import pytest

from taskq import tracebacks
from taskq.errors import JobDefinitionError
from taskq.tracebacks import formatted, from_application, is_of_application
from taskq.wire.history import record_of


def raised_through(name: str, work: Callable[[], object]) -> BaseException:
    """Call a function from a module of that name, and return what it raises."""
    frame: dict[str, object] = {"__name__": name}
    exec("def call(work):\n    return work()", frame)
    call: Callable[[Callable[[], object]], object] = frame["call"]  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError) as caught:
        call(work)
    caught.value.__traceback__ = caught.tb.tb_next  # without the frame of this test
    return caught.value


def divide() -> object:
    return 1 // 0


@pytest.mark.parametrize("name", ["taskq.worker.execute.executor", "asyncio.runners"])
def test_frames_that_called_the_job_are_left_out(name: str) -> None:
    """Given an error in a job that the worker or the event loop called, then its stored traceback begins in the job."""
    trace = record_of("failed", "w1", 1, raised_through(name, divide)).traceback
    assert trace.splitlines()[1].endswith("in divide")


def test_a_traceback_without_frames_of_the_application_is_complete() -> None:
    """Given an error of taskq itself, or one below the application, then nothing is left out."""
    error = raised_through("taskq.worker.execute.executor", partial(divmod, 1, 0))
    assert from_application(error) is error.__traceback__
    inner = raised_through("shop.jobs", lambda: raised_through("taskq.worker.execute.executor", divide) and divide())
    assert from_application(inner) is inner.__traceback__
    assert from_application(ValueError()) is None


def test_a_mistake_that_only_taskq_has_seen_has_no_traceback() -> None:
    """Given an error that explains a mistake, raised by the worker, then the lines of taskq are left out."""
    try:
        exec("raise error", {"__name__": "taskq.worker.execute.results", "error": JobDefinitionError("it must yield once")})
    except JobDefinitionError as error:
        raised = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)  # without the frame of this test
    assert record_of("failed", "w1", 1, raised).traceback == "taskq.errors.JobDefinitionError: it must yield once\n"


def test_the_cause_of_a_value_that_is_not_stored_is_the_application_or_the_serializer() -> None:
    assert not is_of_application(raised_through("cloudpickle.cloudpickle", partial(divmod, 1, 0)))
    assert is_of_application(raised_through("pickle", divide))


# ---- the cached text is that of the module `traceback`


class _Unreadable(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


class _Text(str):
    def __format__(self, _: str) -> str:
        return "formatted"

    def __str__(self) -> str:
        return "as text"


class _OwnText(Exception):
    def __str__(self) -> str:
        return _Text("text")


class _WithoutModule(Exception):
    __module__ = 5  # type: ignore[assignment]


class _BadNotes(Exception):
    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise ValueError("no notes")


def _raise(error: BaseException) -> None:
    raise error


def _with_notes(notes: object) -> BaseException:
    error = ValueError("noted")
    error.__notes__ = notes  # type: ignore[assignment]
    return error


def _recursion(depth: int) -> None:
    if depth:
        _recursion(depth - 1)
    raise OSError(5, "deep")


def _many_lines() -> object:
    return [
        ("é中", divide() if _raise else 5),  # two bytes and one column each, and two columns
        7,
    ]


def _raised_in_many_lines() -> None:
    _raise(
        ValueError("in the second line"),
    )


def _chained(*, implicit: bool = False, hidden: bool = False) -> None:
    try:
        _many_lines()
    except ZeroDivisionError as error:
        if implicit:
            _recursion(2)
        raise RuntimeError("remote") from None if hidden else error


def _cycle() -> None:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__context__ = second, first
    raise first


def _suppressed_cause_seen() -> None:
    error = ValueError("alone")
    error.__cause__ = error
    error.__context__ = KeyError("never raised")
    error.__suppress_context__ = False
    raise error


def _generated(file: str, linetable: bytes = b"") -> None:
    code = compile("1 // 0", file, "exec")
    exec(code.replace(co_linetable=linetable) if linetable else code, {})


def _moved(lasti: int, line: int) -> None:
    try:
        divide()
    except ZeroDivisionError as error:
        here = error.__traceback__
        assert here is not None
        raise error.with_traceback(TracebackType(None, here.tb_frame, lasti, line)) from None


HOSTILE: list[Callable[[], object]] = [
    divide,
    _many_lines,
    _raised_in_many_lines,
    *(
        partial(_raise, error)
        for error in (ValueError(), ValueError(""), ValueError(5), ValueError("two\nlines"), KeyError("k"), SystemExit(3))
    ),
    *(partial(_raise, kind("text")) for kind in (_Unreadable, _OwnText, _WithoutModule, _BadNotes, JobDefinitionError, KeyboardInterrupt)),
    partial(_raise, ValueError("file \udcff\ud800")),
    *(partial(_raise, _with_notes(notes)) for notes in ([], ["one", "two\nthree"], ("\ud800", 5), "text", 5, None)),
    *(partial(_recursion, depth) for depth in (1, 2, 3, 4, 5, 40)),
    _chained,
    partial(_chained, implicit=True),
    partial(_chained, hidden=True),
    _cycle,
    _suppressed_cause_seen,
    partial(_raise, ExceptionGroup("group", [ValueError("first"), ExceptionGroup("inner", [OSError("second")])])),
    partial(compile, "1 +", "<text>", "exec"),
    partial(eval, "undefined_name", {"undefined_names": 1}),
    partial(getattr, "", "uper"),
    partial(_generated, "<generated 1>"),
    partial(_generated, "/nowhere/module.py"),
    partial(_generated, "nowhere.py"),
    partial(_generated, ""),
    partial(_generated, "\x00"),
    partial(_generated, "<stdin>-1"),
    partial(_generated, "without_lines.py", b"\xff" * 9),  # each byte: eight instructions without a position
    partial(_moved, -1, 1),
    partial(_moved, 0, 7),
    partial(_moved, 2, 100_000),
]


def caught_from(raises: Callable[[], object]) -> BaseException:
    try:
        raises()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def expected(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, from_application(error)))


def text_or_failure(function: Callable[[BaseException], str], error: BaseException) -> object:
    """Before Python 3.13, some exceptions can't be formatted."""
    try:
        return function(error)
    except Exception as failure:
        return type(failure)


@pytest.mark.parametrize("raises", HOSTILE)
def test_the_text_is_that_of_python(raises: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given any exception, when it is formatted the first time and once more, then the text is that of `traceback.format_exception`."""
    monkeypatch.setattr(tracebacks, "_frames", {})
    for _ in range(2):
        error = caught_from(raises)
        assert text_or_failure(formatted, error) == text_or_failure(expected, error)


def test_a_frame_is_formatted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an exception with a cause, when it is raised for the second time, then Python formats nothing."""
    monkeypatch.setattr(tracebacks, "_frames", {})
    first = formatted(caught_from(_chained))
    monkeypatch.setattr(traceback, "extract_tb", None)
    monkeypatch.setattr(traceback, "format_exception", None)
    assert formatted(caught_from(_chained)) == first
    assert all(name in first for name in ("in _chained", "in _many_lines", "in divide", "direct cause"))


def test_a_file_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file that is missing, appears, changes and disappears, then each text is that of Python."""
    monkeypatch.setattr(tracebacks, "_frames", {})
    file = tmp_path / "shop.py"
    texts = []
    for content in (None, "1 // 0", "1 // 0  # changed", "", "1 // 0  # and again", None):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_text(content)
        for _ in range(2):
            error = caught_from(partial(_generated, str(file)))
            texts.append(formatted(error))
            assert texts[-1] == expected(error)
    assert len(set(texts)) == 4  # a file without the line is like none


def test_equal_code_of_another_file_has_its_own_text() -> None:
    """Given the same code in two files, which are equal for Python, then each text names its file."""
    for file in ("<one>", "<two>", "<one>"):
        assert f'File "{file}", line 1' in formatted(caught_from(partial(_generated, file)))


def test_the_cache_is_bounded_and_frees_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more frames than the cache holds, and a very long line, then it stays small and keeps no code object."""
    cache: dict[object, tuple[object, object, str]] = {}
    monkeypatch.setattr(tracebacks, "_frames", cache)
    monkeypatch.setattr(tracebacks, "_FRAMES", 10)
    freed = []
    for number in range(25):
        code = compile("1 // 0", f"<module {number}>", "exec")
        freed.append(weakref.ref(code))
        formatted(caught_from(partial(exec, code, {})))
        assert 0 < len(cache) <= 10
    del code
    gc.collect()
    assert not any(ref() for ref in freed)
    error = caught_from(partial(_generated, f"<{'x' * 5000}>"))
    assert formatted(error) == expected(error)
    assert max(len(text) for *_, text in cache.values()) < 4000


def test_a_limit_of_the_interpreter_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given `sys.tracebacklimit`, then the text has as many frames."""
    monkeypatch.setattr("sys.tracebacklimit", 1, raising=False)
    error = caught_from(_many_lines)
    assert formatted(error) == expected(error)
    assert formatted(error).count("  File") == 1
