"""Counting, finding, noting and checking: the demo's parts without a server."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.tools.demo import check as checking
from taskq.tools.demo import counting
from taskq.tools.demo.app import write_report
from taskq.tools.demo.check import check
from taskq.tools.demo.counting import Counted, count
from taskq.tools.demo.files import File, Found, Selection, find_files, python_library
from taskq.tools.demo.results import Reader, Result, Tally, append


def nobody(*_: int) -> None:
    """Tell nobody."""


# ---- counting


@given(text=st.binary(max_size=60), chunk=st.integers(1, 7))
def test_a_file_is_counted_alike_in_pieces(text: bytes, chunk: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Given any bytes, when they are read in small pieces, then the numbers are those of the whole."""
    file = tmp_path_factory.mktemp("c") / "file"
    file.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_CHUNK", chunk)
        assert count(file) == Counted(hashlib.sha256(text).hexdigest(), len(text), text.count(b"\n"), len(text.split()))


def test_it_counts_as_wc_and_sha256sum_do() -> None:
    """Given a text, then the tools of the system say the same."""
    lines, words, size = subprocess.run(["wc", __file__], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout.split()[
        :3
    ]
    digest = subprocess.run(["sha256sum", __file__], capture_output=True, text=True, check=True).stdout.split()[0]
    assert count(__file__) == Counted(digest, int(size), int(lines), int(words))


# ---- finding


def test_files_are_found_in_order_and_the_rest_is_reported(tmp_path: Path) -> None:
    """Given folders, a folder that is left out, and what is no file, then the files come sorted, and each omission has its reason."""
    for name in ("b/2", "b/10", "a/1", "a/__pycache__/x", "top"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to("top")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    found = find_files(Selection(tmp_path, frozenset({"__pycache__"})), nobody)
    assert [file.path.removeprefix(f"{tmp_path}/") for file in found.files] == ["top", "a/1", "b/10", "b/2"]
    assert found.skipped == Counter({"symbolic link": 2, "no regular file": 1})
    assert found.size == 4


def test_a_limit_ends_the_search(tmp_path: Path) -> None:
    """Given a limit, then not more files are found."""
    for number in range(5):
        (tmp_path / str(number)).touch()
    assert len(find_files(Selection(tmp_path, limit=3), nobody).files) == 3


def test_what_may_not_be_read_is_reported() -> None:
    """Given a file and a folder without permission, then both are left out with the reason."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "file").touch(mode=0o000)
        (place / "folder").mkdir(mode=0o700)
        (place / "folder").chmod(0o000)
        reported = as_nobody(lambda: repr(find_files(Selection(place), nobody)))
        (place / "folder").chmod(0o700)
    assert reported == repr(Found([], Counter({"no permission to read": 1, "folder: no permission to read": 1})))


def as_nobody(function: Callable[[], str]) -> str:
    """Return what a function returns to somebody who isn't root: root may read everything."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(writer, function().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as reported:
        text = reported.read()
    os.waitpid(pid, 0)
    return text


def test_the_default_is_pythons_own_library() -> None:
    """Given no folder, then it is the library of this Python, without what others have installed."""
    selection = python_library()
    assert (selection.folder / "json" / "decoder.py").is_file()
    found = find_files(selection._replace(limit=5), nobody)
    assert len(found.files) == 5


def test_a_changed_file_is_known(tmp_path: Path) -> None:
    """Given a file as it was found, when it is written or removed, then that is known."""
    path = tmp_path / "file"
    path.write_text("x")
    (file,) = find_files(Selection(tmp_path), nobody).files
    assert file.is_unchanged()
    path.write_text("longer")
    assert not file.is_unchanged()
    path.unlink()
    assert not file.is_unchanged()


# ---- noting


def test_results_are_read_as_they_come(tmp_path: Path) -> None:
    """Given lines that are appended, then each look gives the new ones, whole ones only."""
    results = tmp_path / "results"
    reader = Reader(results)
    assert reader.new() == []
    append(str(results), "caf\udce9", Counted("ab", 3, 2, 1))
    assert reader.new() == [Result("caf\udce9", os.getpid(), "", Counted("ab", 3, 2, 1))]
    with results.open("ab") as file:
        file.write(b'["half", 7,')
    assert reader.new() == []
    with results.open("ab") as file:
        file.write(b' "gone", ["", 0, 0, 0]]\n["next')
    assert reader.new() == [Result("half", 7, "gone", Counted("", 0, 0, 0))]


def test_a_tally_counts_the_first_and_remembers_the_rest(tmp_path: Path) -> None:
    """Given a file counted twice and one skipped, then the sums have each once."""
    tally = Tally()
    for result in (
        Result("a", 1, "", Counted("x", 10, 2, 5)),
        Result("a", 2, "", Counted("x", 10, 2, 5)),
        Result("b", 2, "gone", Counted("", 0, 0, 0)),
    ):
        tally.add(result)
    assert tally.sums() == {"files": 1, "bytes": 10, "lines": 2, "words": 5}
    assert (tally.again, tally.skipped) == (Counter("a"), Counter(["gone"]))
    assert tally.processes == {1: (1, "a"), 2: (1, "b")}


def test_the_report_needs_its_folder(tmp_path: Path) -> None:
    """Given results, when the report's folder is missing, then it fails; when it is there, it writes the sums."""
    results, target = tmp_path / "results", tmp_path / "reports" / "report.json"
    append(str(results), "a", Counted("x", 10, 2, 5))
    with pytest.raises(FileNotFoundError):
        write_report(str(results), str(target))
    target.parent.mkdir()
    write_report(str(results), str(target))
    assert target.read_text() == '{"files": 1, "bytes": 10, "lines": 2, "words": 5}'


# ---- checking


@pytest.fixture
def files(tmp_path: Path) -> list[File]:
    """Three files."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(f"{name} word\n")
    return find_files(Selection(tmp_path), nobody).files


def tally_of(*paths: str) -> Tally:
    tally = Tally()
    for path in paths:
        tally.add(Result(path, 1, "", count(path)))
    return tally


def test_all_counted_once_is_right(files: list[File]) -> None:
    """Given each file once, then there is no problem, and all were read again."""
    assert check(files, tally_of(*(file.path for file in files)), nobody) == ([], 3, 0)


def test_each_kind_of_mistake_is_found(files: list[File]) -> None:
    """Given a file left out, one twice, one wrong and one that nobody pushed, then each is a problem."""
    a, b, c = (file.path for file in files)
    tally = tally_of(b, b, __file__)
    tally.add(Result(c, 1, "", Counted("0", 1, 2, 3)))
    assert check(files, tally, nobody).problems == [
        f"1 file was not counted: {a}",
        f"1 file was counted more than once: {b}",
        f"1 file was counted but never pushed: {__file__}",
        f"1 file was counted with another result than by reading it directly: {c}",
    ]


def test_a_file_that_somebody_changed_is_no_mistake(files: list[File]) -> None:
    """Given a file that was changed or removed after it was counted, then it is told as changed."""
    tally = tally_of(*(file.path for file in files))
    Path(files[0].path).write_text("other\n")
    Path(files[1].path).unlink()
    assert check(files, tally, nobody) == ([], 1, 2)


def test_of_very_much_a_part_is_read_again(files: list[File], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more data than the budget, then an even part of the files is read again."""
    monkeypatch.setattr(checking, "BUDGET", 14)
    assert check(files, tally_of(*(file.path for file in files)), nobody) == ([], 2, 0)
