"""The ledger: what is appended by many is read as it grows."""

from __future__ import annotations

from pathlib import Path

from taskq.tools.chaos.ledger import Book, note


def test_what_is_noted_is_read(tmp_path: Path) -> None:
    """Given a push, a birth, a run that ended and one that didn't, then the book has them, and reading again adds nothing."""
    path = tmp_path / "ledger"
    book = Book(path)
    book.read()  # nobody has written yet
    for words in (
        ("born", 12, 11, 10),
        ("push", 7, "steady", "accepted"),
        ("push", 8, "burst", "unknown"),
        ("start", 7, "ab", 1, 12),
        ("end", 7, 1, 12, "done"),
        ("start", 8, "cd", 2, 12),
    ):
        note(path, *words)
    for _ in range(2):
        book.read()
    assert (book.accepted, book.run_count, book.done, book.running(), book.parents) == (1, 2, {7}, {12}, {10})
    assert [(run.id, run.attempt, run.ending) for run in (*book.runs[7], *book.runs[8])] == [("ab", 1, "done"), ("cd", 2, None)]


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    """Given a line that isn't whole yet, then it is read when it is."""
    path = tmp_path / "ledger"
    path.write_text("push 1 steady acc")
    book = Book(path)
    book.read()
    assert not book.pushes
    with path.open("a") as file:
        file.write("epted 1.5\n")
    book.read()
    assert book.pushes[1].at == 1.5
