"""The notice of a cancelled run: the supervisor may replace it while the worker process reads it."""

from __future__ import annotations

import mmap
import struct
from typing import Any

import pytest

from taskq.scoreboard import cancel_notice
from taskq.scoreboard.cancel_notice import SIZE, CancelNotice, Notice

OLD, NEW = Notice(b"a" * 16, 1.0, "anna"), Notice(b"b" * 16, 2.0, "bert")


@pytest.fixture
def notice() -> CancelNotice:
    return CancelNotice(mmap.mmap(-1, SIZE), 0)


class Interleaved:
    """Does something before each use of a part of the notice."""

    def __init__(self, real: struct.Struct, meanwhile: Any) -> None:
        self._real = real
        self._meanwhile = meanwhile
        self.size = real.size

    def pack(self, *values: Any) -> bytes:
        self._meanwhile()
        return self._real.pack(*values)

    def pack_into(self, *args: Any) -> None:
        self._meanwhile()
        self._real.pack_into(*args)

    def unpack_from(self, *args: Any) -> Any:
        self._meanwhile()
        return self._real.unpack_from(*args)


def test_a_notice_is_read_once(notice: CancelNotice) -> None:
    """Given a notice, then it is unread until the worker process has taken it, once."""
    assert notice.unread is None
    notice.put(OLD)
    assert notice.unread == OLD
    assert notice.take() == OLD
    assert notice.unread is None
    assert notice.take() is None


@pytest.mark.parametrize("part", ["_STARTED", "_LENGTH"])
def test_a_notice_that_is_being_written_is_not_read(notice: CancelNotice, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an unread notice, if it is read while another one replaces it, then only the whole new one is read."""
    notice.put(OLD)
    readers = [notice]
    taken: list[Notice | None] = []

    def read() -> None:
        if readers:
            taken.append(readers.pop().take())

    with monkeypatch.context() as patch:
        patch.setattr(cancel_notice, part, Interleaved(getattr(cancel_notice, part), read))
        notice.put(NEW)
    assert taken == [None]
    assert notice.take() == NEW


def test_a_notice_that_is_replaced_while_it_is_read_is_read_again(notice: CancelNotice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a reader in the middle of a notice, if another one replaces it, then the reader returns the new one."""
    notice.put(OLD)
    left = [NEW]
    with monkeypatch.context() as patch:
        patch.setattr(cancel_notice, "_LENGTH", Interleaved(cancel_notice._LENGTH, lambda: notice.put(left.pop()) if left else None))
        assert notice.take() == NEW
    assert notice.take() is None


def test_the_number_starts_again(notice: CancelNotice) -> None:
    """Given the largest number, then the next notice is read as any other."""
    struct.pack_into("=II", notice._memory, 0, 0xFFFFFFFE, 0xFFFFFFFE)
    notice.put(NEW)
    assert notice.take() == NEW
