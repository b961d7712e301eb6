"""The driver contract, the parts of generator jobs, on every kind of server."""

from __future__ import annotations

from contextlib import closing

from taskq.channel import State
from taskq.driver.contract import Parts, StoredEnding
from tests.conftest import OwnServer
from tests.driver.store import Store, id_of, message
from tests.support.wait import wait_until

W = "worker-1"
TTL = 60_000
END = StoredEnding(b"how it ended", TTL, is_stream=True)


def _parts(first: int, last: int, limit: int = 100, run: bytes = b"run") -> Parts:
    return Parts(first, tuple(f"part {number}".encode() for number in range(first, last + 1)), TTL, limit, run)


def _begin(store: Store, raw: bytes, run: bytes = b"run") -> int:
    """Begin a run, as a worker does, and return the number of the last entry."""
    last, found = store.do(store.driver.begin(W, id_of(raw), TTL, run))
    if found not in (b"", run):
        last, found = store.do(store.driver.begin(W, id_of(raw), TTL, run, found))
    return int(last)


def _write(store: Store, raw: bytes, *numbers: int, worker: str = W, limit: int = 100, run: bytes = b"run") -> list[int]:
    """Write items one by one, and return the replies: the number of the last item that is stored."""
    return [store.do(store.driver.part(worker, id_of(raw), _parts(number, number, limit, run))) for number in numbers]


def _write_all(store: Store, raw: bytes, first: int, last: int, limit: int = 100) -> int:
    return store.do(store.driver.part(W, id_of(raw), _parts(first, last, limit)))  # type: ignore[no-any-return]


def _read(store: Store, raw: bytes, after: int = 0, count: int = 100) -> tuple[int, list[tuple[int, bytes, bytes]]]:
    start, entries = store.do(store.driver.read(id_of(raw).hex(), after, count))
    return start, [(int(number.partition(b"-")[0]), kind, data) for number, (kind, data) in entries]


def test_parts_are_read_in_their_order_from_anywhere(store: Store) -> None:
    """Given parts, then they are read from the start or after any of them, as many as asked for, and both keys have an expiry."""
    store.reserved_by(W, raw := message())
    assert _begin(store, raw) == 0
    assert _write(store, raw, 1, 2, 3) == [1, 2, 3]
    everything = [(number, b"part", f"part {number}".encode()) for number in (1, 2, 3)]
    assert _read(store, raw) == (0, everything)
    assert _read(store, raw, 1, 1) == (0, everything[1:2])
    assert _read(store, raw, 3) == (0, [])
    keys = store.keys
    assert all(0 < store.client.pttl(key) <= TTL for key in (keys.parts(id_of(raw).hex()), keys.reading(id_of(raw).hex())))


def test_an_item_sent_twice_is_stored_once(store: Store) -> None:
    """Given an item whose reply was lost, when the worker sends it again, then it is stored once."""
    store.reserved_by(W, raw := message())
    assert _write(store, raw, 1, 1, 2, 1) == [1, 1, 2, 2]
    assert [number for number, _, _ in _read(store, raw)[1]] == [1, 2]


def test_items_that_are_sent_together(store: Store) -> None:
    """Given several items in one command, then they are stored in their order; those that are stored already are ignored."""
    store.reserved_by(W, raw := message())
    assert _begin(store, raw) == 0
    assert _write_all(store, raw, 1, 3) == 3
    assert _write_all(store, raw, 2, 5) == 5
    assert _write_all(store, raw, 1, 4) == 5
    assert _read(store, raw) == (0, [(number, b"part", f"part {number}".encode()) for number in (1, 2, 3, 4, 5)])
    keys = store.keys
    assert all(0 < store.client.pttl(key) <= TTL for key in (keys.parts(id_of(raw).hex()), keys.reading(id_of(raw).hex())))


def test_as_many_as_may_be_unread_are_stored(store: Store) -> None:
    """Given more items in one command than may be unread, then the first ones are stored, and the others once a reader has read more."""
    store.reserved_by(W, raw := message())
    assert _write_all(store, raw, 1, 5, limit=3) == 3
    assert _write_all(store, raw, 4, 5, limit=3) == 3
    assert [number for number, _, _ in _read(store, raw, 1)[1]] == [2, 3]
    assert _write_all(store, raw, 4, 5, limit=3) == 4
    _read(store, raw, 4)
    assert _write_all(store, raw, 5, 5, limit=3) == 5
    assert [number for number, _, _ in _read(store, raw)[1]] == [1, 2, 3, 4, 5]


def test_items_far_beyond_what_the_server_has_are_not_stored(store: Store) -> None:
    """Given a server that has lost the items before, when the next ones are further on than may be unread, then none is stored."""
    store.reserved_by(W, raw := message())
    assert _write_all(store, raw, 4, 6, limit=3) == 0
    assert _write_all(store, raw, 9, 10, limit=3) == 0
    assert _read(store, raw) == (0, [])
    assert _write_all(store, raw, 3, 5, limit=3) == 3


def test_a_late_begin_changes_nothing(store: Store) -> None:
    """Given the begin of a run that arrives again, or after that of the next run, then the stream stays as it is."""
    store.reserved_by(W, raw := message())
    assert _begin(store, raw, b"first") == 0
    _write(store, raw, 1, 2, run=b"first")
    assert _begin(store, raw, b"first") == 0
    assert [kind for _, kind, _ in _read(store, raw)[1]] == [b"part", b"part"]
    assert _begin(store, raw, b"second") == 3
    assert store.do(store.driver.begin(W, id_of(raw), TTL, b"first")) == [0, b"second"]
    assert store.do(store.driver.begin(W, id_of(raw), TTL, b"second", b"first")) == [3, b"second"]
    assert _read(store, raw) == (3, [])


def test_a_late_item_of_an_earlier_run_is_not_stored(store: Store) -> None:
    """Given an item of a run that arrives when the same worker runs the message again, then it isn't among the items of that run."""
    store.reserved_by(W, raw := message())
    _begin(store, raw, b"first")
    _begin(store, raw, b"second")
    assert _write(store, raw, 1, run=b"first") == [-1]
    assert _write(store, raw, 1, run=b"second") == [1]
    assert [number for number, _, _ in _read(store, raw)[1]] == [1]


def test_who_lost_the_message_writes_nothing(store: Store) -> None:
    """Given a message that is another's by now, when the first worker goes on, then its parts don't get between the other's."""
    store.reserved_by("another", raw := message())
    assert _begin(store, raw) == -1
    assert _write(store, raw, 1) == [-1]
    assert _read(store, raw) == (0, [])


def test_a_message_behind_others_may_write(store: Store) -> None:
    """Given several reserved messages, then the parts of each are taken."""
    store.reserved_by(W, message(), message(), raw := message())
    assert _write(store, raw, 1) == [1]


def test_a_new_run_begins_anew(store: Store) -> None:
    """Given parts of a run that failed, when the next run begins, then new readers get the items of that run, and the others get a mark."""
    store.reserved_by(W, raw := message())
    _write(store, raw, 1, 2)
    assert _begin(store, raw) == 3
    _write(store, raw, 4)
    assert _read(store, raw) == (3, [(4, b"part", b"part 4")])
    reply = store.do(store.driver.wait_for_parts(id_of(raw).hex(), 2, 10, 0.05))
    assert [fields[0] for _, fields in reply[0][1]] == [b"begin", b"part"]


def test_unread_parts_hold_the_writer_up(store: Store) -> None:
    """Given as many unread parts as may be, then the next is refused until a reader has come further; the furthest one counts."""
    store.reserved_by(W, raw := message())
    assert _write(store, raw, 1, 2, 3, limit=2) == [1, 2, 2]
    _read(store, raw, 1)
    assert _write(store, raw, 3, 4, limit=2) == [3, 3]
    _read(store, raw, 3)
    _read(store, raw, 0)  # another reader, at the start
    assert _write(store, raw, 4, 5, 6, limit=2) == [4, 5, 5]


def test_who_reads_from_beyond_the_end_has_not_read_what_is_to_come(store: Store) -> None:
    """Given a reader who claims to have read far more than there is, then the writer still waits when too many parts are unread."""
    store.reserved_by(W, raw := message())
    assert _write(store, raw, 1, 2, 3, limit=2) == [1, 2, 2]
    assert _read(store, raw, 2**53) == (0, [])
    assert _write(store, raw, 3, 4, 5, limit=2) == [3, 4, 4]


def test_a_new_run_does_not_wait_for_readers_of_earlier_items(store: Store) -> None:
    """Given unread parts of a run before, when a new run begins, then they don't count."""
    store.reserved_by(W, raw := message())
    assert _write(store, raw, 1, 2, limit=2) == [1, 2]
    assert _begin(store, raw) == 3
    assert _write(store, raw, 4, 5, 6, limit=2) == [4, 5, 5]


def test_reading_what_isn_t_there_makes_no_key(store: Store) -> None:
    """Given a message without parts, when it is read, also from far on, then nothing comes, and no key is made without an expiry."""
    raw = message()
    assert _read(store, raw, 500) == (0, [])
    assert store.client.exists(store.keys.reading(id_of(raw).hex()), store.keys.parts(id_of(raw).hex())) == 0


def test_the_stream_ends_with_the_message(store: Store) -> None:
    """Given parts, or none, when the message is finished or fails, then the stream ends with a mark, and lives as long as the result."""
    for state in (None, State.FAILED):
        for count in (0, 2):
            store.reserved_by(W, raw := message())
            _write(store, raw, *range(1, count + 1))
            command = store.driver.finish(W, id_of(raw), END) if state is None else store.driver.fail(W, state, id_of(raw), raw, END)
            assert store.do(command) == 1
            assert _read(store, raw)[1][-1] == (count + 1, b"end", b"")
            assert 0 < store.client.pttl(store.keys.parts(id_of(raw).hex())) <= TTL


def test_every_reader_is_woken(store: Store) -> None:
    """Given two who wait for the next part, when it comes, then both get it."""
    store.reserved_by(W, raw := message())
    with closing(store.driver.link()) as first, closing(store.driver.link()) as second:
        for link in (first, second):
            link.send(store.driver.wait_for_parts(id_of(raw).hex(), 0, 10, 5.0))
        wait_until(lambda: store.client.info("clients")["blocked_clients"] >= 2)
        _write(store, raw, 1)
        assert [link.receive()[0][1][0][1] for link in (first, second)] == [[b"part", b"part 1"]] * 2


def test_a_reload_forgets_the_parts(store: Store) -> None:
    """Given a failed message with parts, when it is reloaded, then they are removed with its result."""
    store.reserved_by(W, raw := message())
    _write(store, raw, 1)
    store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw, END))
    store.do(store.driver.restore(State.FAILED, [(raw, raw)]))
    assert _read(store, raw) == (0, [])


def test_a_full_server_takes_parts_and_lets_them_be_read(own_server: OwnServer, prefix: str) -> None:
    """Given a server at its memory limit, then a running job may go on yielding, be read, and end: its readers bound it."""
    server = own_server()
    with closing(Store(server, prefix)) as store:
        store.reserved_by(W, raw := message())
        server.admin.config_set("maxmemory", "1")
        _begin(store, raw)
        assert _write(store, raw, 1, 2) == [1, 2]
        assert len(_read(store, raw, 1)[1]) == 1
        assert store.do(store.driver.finish(W, id_of(raw), END)) == 1
        assert _read(store, raw, 2) == (0, [(3, b"end", b"")])
