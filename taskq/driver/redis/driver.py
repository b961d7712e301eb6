"""The driver for Redis and Valkey: each move as one script or one command."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from taskq.channel import Keys, State
from taskq.config import ChannelSettings
from taskq.driver.batches import PAGE
from taskq.driver.contract import Command, Ended, Parts, Rescue, StoredEnding, Value, Where, Word
from taskq.driver.redis.address import Address
from taskq.driver.redis.alink import RedisAsyncLink
from taskq.driver.redis.checks import VERSION, read_version
from taskq.driver.redis.link import RedisLink
from taskq.driver.redis.scripts import load_script
from taskq.driver.redis.shared_link import RedisSharedLink
from taskq.wire.message import message_id, removal_mark

__all__ = ["RedisDriver"]

#: The lifetime of an idempotency key, in milliseconds: a push is repeated for seconds, but the server's clock may be set forward an hour.
ONCE_MS = 5_400_000
#: The lifetime of cancel requests, and of the token that wakes a supervisor for one (it may have exited), in milliseconds.
CANCEL_MS = 86_400_000
CANCEL_WAKE_MS = 60_000
#: How far from an end a message can be removed from a list: the server compares all messages up to it, 50 in a microsecond.
REACH = 20_000
#: The lifetime of the record of a scan, in milliseconds: longer than the time between two scans.
SCANNED_MS = 3_600_000


class RedisDriver:
    """The moves of one channel as commands for Redis 6.2 or later, or Valkey."""

    def __init__(self, url: str, settings: ChannelSettings) -> None:
        self.keys = Keys(settings.channel)
        self._settings = settings
        self._address = Address(url)
        self.shared = "" if self._address.is_cluster else self._address.text
        self._failed_bounds = (settings.failed_limit, int(settings.failed_ttl * 1000))

    def link(self, timeout: float = 5.0, *, fenced: bool = False) -> RedisLink:
        return RedisLink(self._address, self.keys.waiting, timeout, fenced=fenced)

    def async_link(self, timeout: float = 5.0) -> RedisAsyncLink:
        return RedisAsyncLink(self._address, self.keys.waiting, timeout)

    def shared_link(self, timeout: float = 5.0) -> RedisSharedLink:
        return RedisSharedLink(self._address, self.keys.waiting, timeout)

    def version(self) -> Command:
        return VERSION

    def check_version(self, reply: bytes) -> str:
        return read_version(reply, self._address.text)

    def confirm(self, replicas: int, timeout_ms: int) -> Command:
        return Command("confirm", ("WAIT", str(replicas), str(timeout_ms)))

    def permissions(self) -> Command:
        keys = self.keys
        places = (keys.nothing, keys.waiting, keys.delayed, keys.failed, keys.timeout, keys.parked, keys.wake, keys.workers, keys.cancels)
        others = (keys.reserved("none"), keys.worker("none"), keys.once("none"), keys.progress("none"), keys.cancel_wake("none:x"))
        return self._script("permissions", (*places, *others, keys.scanned, *self._result_keys("none")))

    def permission_trials(self) -> dict[str, Command]:
        nothing = self.keys.nothing
        # Invalid timeout on purpose: a permitted user gets an error at once instead of blocking.
        words: dict[str, tuple[Word, ...]] = {
            "blmove": ("BLMOVE", nothing, nothing, "RIGHT", "RIGHT", "no time"),
            "blpop": ("BLPOP", nothing, "no time"),
            "hgetall": ("HGETALL", nothing),
            "scan": ("SCAN", "0", "MATCH", nothing, "COUNT", "1"),
            "client|id": ("CLIENT", "ID"),
            "eval": ("EVAL", "return 1", "0"),
        }
        return {permission: Command("permissions", command) for permission, command in words.items()}

    def kinds(self) -> Command:
        kinds = self.keys.kinds()
        return self._script("kinds", tuple(kinds), *kinds.values())

    # ---- the application's moves

    def push(self, messages: Sequence[bytes]) -> Command:
        return Command("push", ("LPUSH", self.keys.waiting, *messages))

    def push_later(self, messages: Sequence[bytes], *, delay_ms: int | None = None, at_ms: int | None = None) -> Command:
        return self._push(messages, "", 0, delay_ms, at_ms)

    def push_once(self, message: bytes, message_id: str, *, delay_ms: int | None = None, at_ms: int | None = None) -> Command:
        return self._push((message,), message_id, ONCE_MS, delay_ms, at_ms)

    def _push(self, messages: Sequence[bytes], message_id: str, marker_ms: int, delay_ms: int | None, at_ms: int | None) -> Command:
        keys = self.keys
        when: tuple[Word, Value] = ("now", 0)
        if at_ms is not None:
            when = ("at", at_ms)
        elif delay_ms:
            when = ("in", delay_ms)
        places = (keys.waiting, keys.delayed, keys.wake, keys.once(message_id or "none"))
        return self._script("push", places, marker_ms, *when, *messages)

    def withdraw(self, message: bytes, start: int = -1) -> Command:
        return self._script("delete", (self.keys.delayed, self.keys.waiting), message, *_removal(message, start))

    # ---- the worker's moves

    def reserve(self, worker: str, count: int, done: Sequence[bytes], *, ordered: bool = False, endings: Sequence[Ended] = ()) -> Command:
        keys = self.keys
        results, words = self._results(done, endings) if endings else ((), done)
        places = (keys.waiting, keys.reserved(worker), keys.workers, *results)
        return self._script("reserve", places, worker, count, int(ordered), ids=words)

    def reserve_one(self, worker: str, timeout: float) -> Command:
        return Command("reserve", ("BLMOVE", self.keys.waiting, self.keys.reserved(worker), "RIGHT", "RIGHT", str(timeout)))

    def ack(self, worker: str, ids: Sequence[bytes], *, ordered: bool = False, endings: Sequence[Ended] = ()) -> Command:
        results, words = self._results(ids, endings) if endings else ((), ids)
        return self._script("ack", (self.keys.reserved(worker), *results), int(ordered), ids=words)

    def _results(self, ids: Sequence[bytes], endings: Sequence[Ended]) -> tuple[list[str], list[bytes]]:
        """Return the keys of the results, and the words that follow the ids."""
        words = [word for identity, kept in endings for word in (identity, b"%d" % kept.ttl_ms, kept.data)]
        return [self.keys.result(identity.hex()) for identity, _ in endings], [*ids, *words]

    def retry(self, worker: str, message_id: bytes, delay_ms: int, message: bytes) -> Command:
        keys = self.keys
        return self._script("retry", (keys.reserved(worker), keys.delayed, keys.wake), message_id, delay_ms, message)

    def requeue(self, worker: str, where: Where, ids: Sequence[bytes], delay_ms: int = 0) -> Command:
        keys = self.keys
        places = (keys.reserved(worker), keys.waiting, keys.delayed, keys.wake)
        return self._script("requeue", places, where, delay_ms, ids=ids)

    def finish(self, worker: str, message_id: bytes, ending: StoredEnding) -> Command:
        places = (self.keys.reserved(worker), *self._result_keys(message_id.hex()))
        return self._script("finish", places, message_id, ending.ttl_ms, ending.data, int(ending.is_stream))

    def fail(self, worker: str, state: State, message_id: bytes, message: bytes, ending: StoredEnding | None = None) -> Command:
        keys = self.keys
        places = (keys.reserved(worker), keys.of(state), *self._result_keys(message_id.hex()))
        stored = (ending.ttl_ms, ending.data, int(ending.is_stream)) if ending is not None else (0, b"", 0)
        return self._script("fail", places, message_id, message, *self._failed_bounds, *stored)

    def park(self, worker: str, message_id: bytes, message: bytes) -> Command:
        return self._script("park", (self.keys.reserved(worker), self.keys.parked), message_id, message)

    def stamp(self, worker: str, pairs: Sequence[tuple[bytes, bytes]]) -> Command:
        return self._script("stamp", (self.keys.reserved(worker), self.keys.nothing), *chain.from_iterable(pairs))

    def holdings(self, worker: str) -> Command:
        return Command("reserve", ("LRANGE", self.keys.reserved(worker), "0", "-1"))

    def standing(self, worker: str) -> Command:
        return self._script("standing", (self.keys.workers, self.keys.worker(worker)), worker)

    def forget_fate(self, worker: str) -> Command:
        return self._script("forget", (self.keys.workers, self.keys.worker(worker)), worker)

    def adopt(self, worker: str, messages: Sequence[bytes]) -> Command:
        return self._script("adopt", (self.keys.reserved(worker), self.keys.nothing), *messages)

    # ---- the supervisor's moves

    def promote(self, limit: int = 500) -> Command:
        return self._script("promote", (self.keys.delayed, self.keys.waiting), limit)

    def wait_for_wake(self, timeout: float, worker: str = "", channels: Sequence[Keys] = ()) -> Command:
        pairs = ((keys.cancel_wake(worker), keys.wake) if worker else (keys.wake,) for keys in channels or (self.keys,))
        return Command("promote", ("BLPOP", *chain.from_iterable(pairs), str(timeout)))

    def poll(self, channels: Sequence[Keys]) -> Command:
        return self._script("poll", tuple(chain.from_iterable((keys.delayed, keys.cancels) for keys in channels)))

    def heartbeat(self, worker: str, fields: dict[str, Value], *, lease_ms: int, register: bool) -> Command:
        keys = self.keys
        places = (keys.workers, keys.reserved(worker), keys.worker(worker), keys.nothing)
        return self._script("heartbeat", places, worker, 2 * lease_ms, int(register), *chain.from_iterable(fields.items()))

    def heartbeat_all(self, beats: Sequence[tuple[str, dict[str, Value]]], *, lease_ms: int, channels: Sequence[Keys] = ()) -> Command:
        pairs = zip(channels or (self.keys,) * len(beats), beats, strict=True)
        places = [place for keys, (worker, _) in pairs for place in (keys.workers, keys.reserved(worker), keys.worker(worker))]
        words = [word for worker, fields in beats for word in (worker, 2 * len(fields), *chain.from_iterable(fields.items()))]
        return self._script("heartbeat_all", (self.keys.nothing, *places), 2 * lease_ms, *words)

    def heartbeats(self, skip: int, count: int, age_ms: int, channels: Sequence[Keys] = ()) -> Command:
        return self._script("heartbeats", tuple(keys.workers for keys in channels or (self.keys,)), skip, count, age_ms)

    def dismiss(self, entries: Sequence[bytes]) -> Command:
        return Command("rescue", ("ZREM", self.keys.workers, *entries))

    def unregistered(self, workers: Sequence[str]) -> Command:
        return self._script("unregistered", (self.keys.workers,), *workers)

    def rescue(self, rescue: Rescue) -> Command:
        keys, worker = self.keys, rescue.worker
        places = (
            *(keys.workers, keys.reserved(worker), keys.worker(worker), keys.waiting, keys.delayed),
            *(keys.failed, keys.timeout, keys.wake, keys.nothing),
        )
        lost_is_timeout = int(self._settings.on_lost == "timeout")
        rules = (
            worker,
            ("exiting" if rescue.stays else "exited") if rescue.beat is None else rescue.beat,
            self._settings.max_crashes,
            lost_is_timeout,
            *self._failed_bounds,
        )
        return self._script("rescue", places, *rules, *chain.from_iterable(rescue.blamed))

    def scan_reserved(self, cursor: Word, *, everywhere: bool = False) -> Command:
        pattern = (Keys("*") if everywhere else self.keys).reserved("*")
        return Command("rescue", ("SCAN", cursor, "MATCH", pattern, "COUNT", "1000"))

    def claim_scan(self, channels: Sequence[Keys], supervisor: str, *, age_ms: int) -> Command:
        return self._script("claim_scan", (self.keys.nothing, *(keys.scanned for keys in channels)), supervisor, age_ms, SCANNED_MS)

    def look(self, workers: Sequence[str]) -> Command:
        return self._script("look", (self.keys.waiting, self.keys.delayed, *map(self.keys.reserved, workers)))

    def _result_keys(self, message_id: str) -> tuple[str, str, str]:
        """Return the keys that hold the result and the stream of a message."""
        return self.keys.result(message_id), self.keys.parts(message_id), self.keys.reading(message_id)

    # ---- cancelling

    def cancel(self, state: State, message: bytes, ending: StoredEnding, start: int = -1) -> Command:
        places = (self.keys.of(state), *self._result_keys(message_id(message).hex()), self.keys.nothing)
        return self._script("cancel", places, message, ending.ttl_ms, ending.data, *_removal(message, start))

    def request_cancel(self, worker: str, message: bytes, request: bytes) -> Command:
        keys = self.keys
        places = (keys.reserved(worker), keys.cancels, keys.cancel_wake(worker), keys.nothing)
        return self._script("request_cancel", places, message, request, CANCEL_MS, CANCEL_WAKE_MS)

    def cancel_requests(self) -> Command:
        return Command("cancel", ("HGETALL", self.keys.cancels))

    def forget_cancel_request(self, message_id: bytes) -> Command:
        return Command("cancel", ("HDEL", self.keys.cancels, message_id))

    # ---- streams

    def begin(self, worker: str, message_id: bytes, ttl_ms: int, run: bytes, previous: bytes = b"") -> Command:
        return self._script("begin", self._writing(worker, message_id), message_id, ttl_ms, run, previous)

    def part(self, worker: str, message_id: bytes, parts: Parts) -> Command:
        order = (message_id, parts.number, parts.ttl_ms, parts.limit, parts.run)
        return self._script("part", self._writing(worker, message_id), *order, ids=parts.items)

    def _writing(self, worker: str, message_id: bytes) -> tuple[str, str, str, str]:
        keys, hex_id = self.keys, message_id.hex()
        return keys.reserved(worker), keys.parts(hex_id), keys.reading(hex_id), keys.nothing

    def read(self, message_id: str, after: int, count: int) -> Command:
        keys = self.keys
        return self._script("read", (keys.parts(message_id), keys.reading(message_id), keys.nothing), after, count)

    def wait_for_parts(self, message_id: str, after: int, count: int, timeout: float) -> Command:
        place = self.keys.parts(message_id)
        return Command("wait", ("XREAD", "COUNT", str(count), "BLOCK", str(max(1, int(timeout * 1000))), "STREAMS", place, f"{after}-0"))

    # ---- queries

    def result(self, message_id: str) -> Command:
        return Command("look", ("LINDEX", self.keys.result(message_id), "0"))

    def wait_for_result(self, message_id: str, timeout: float) -> Command:
        # From the list to itself: this wakes every blocked client and removes nothing.
        key = self.keys.result(message_id)
        return Command("wait", ("BLMOVE", key, key, "LEFT", "LEFT", str(timeout)))

    def position(self, state: State, message: bytes) -> Command:
        return Command("look", ("ZSCORE", self.keys.of(state), message))

    def find(self, place: State | str, message_id: str, start: int, count: int) -> Command:
        key = self.keys.of(place) if isinstance(place, State) else self.keys.reserved(place)
        return self._script("find", (key,), bytes.fromhex(message_id), start, count)

    def search(self, place: State | str, id_prefix: bytes, start: int, count: int) -> Command:
        key = self.keys.of(place) if isinstance(place, State) else self.keys.reserved(place)
        return self._script("search", (key,), id_prefix, start, count)

    def scan_results(self, cursor: Word, id_prefix: str) -> Command:
        return Command("search", ("SCAN", cursor, "MATCH", self.keys.result(f"{id_prefix}*"), "COUNT", "1000"))

    def report_progress(self, message_id: str, data: bytes, ttl_ms: int) -> Command:
        return Command("progress", ("SET", self.keys.progress(message_id), data, "PX", str(ttl_ms)))

    def progress(self, message_ids: Sequence[str]) -> Command:
        return Command("look", ("MGET", *map(self.keys.progress, message_ids)))

    # ---- the operator's moves

    def restore(self, state: State, pairs: Sequence[tuple[bytes, bytes]]) -> Command:
        # Bytes that are not a message have no id and no result: the keys built from them never exist.
        results = chain.from_iterable(self._result_keys(message_id(raw).hex()) for raw, _ in pairs)
        requests = self.keys.nothing if state is State.PARKED else self.keys.cancels
        return self._script("restore", (self.keys.of(state), self.keys.waiting, requests, *results), *chain.from_iterable(pairs))

    def page(self, state: State, start: int, count: int) -> Command:
        if state is State.WAITING:  # the oldest is at the right end
            return Command("list", ("LRANGE", self.keys.waiting, str(-start - count), str(-start - 1)))
        return Command("list", ("ZRANGE", self.keys.of(state), str(start), str(start + count - 1), "WITHSCORES"))

    def parked_since(self, time: bytes, skip: int, count: int) -> Command:
        return Command("list", ("ZRANGEBYSCORE", self.keys.parked, time, "+inf", "WITHSCORES", "LIMIT", str(skip), str(count)))

    def count(self, state: State) -> Command:
        return Command("count", ("LLEN" if state is State.WAITING else "ZCARD", self.keys.of(state)))

    def remove(self, state: State, message: bytes) -> Command:
        return Command("delete", ("ZREM", self.keys.of(state), message))

    def flush(self, state: State, count: int, until_ms: int = 0) -> Command:
        return self._script("flush", (self.keys.of(state),), count, until_ms)

    def workers(self) -> Command:
        return Command("workers", ("ZRANGE", self.keys.workers, "0", "-1", "WITHSCORES"))

    def describe(self, worker: str) -> Command:
        return Command("workers", ("HGETALL", self.keys.worker(worker)))

    def held(self, worker: str) -> Command:
        return Command("count", ("LLEN", self.keys.reserved(worker)))

    def time(self) -> Command:
        return Command("time", ("TIME",))

    @staticmethod
    def _script(name: str, keys: tuple[str, ...], *args: Value, ids: Sequence[bytes] = ()) -> Command:
        """Build the command of a script. `ids` (or items) follow `args`; there may be hundreds, so they aren't looked at."""
        words = [arg if type(arg) is bytes or type(arg) is str else str(arg) for arg in args]
        return Command(name, (str(len(keys)), *keys, *words, *ids), load_script(name))


def _removal(message: bytes, start: int) -> tuple[Value, ...]:
    """Return the arguments with which a script removes a message from waiting."""
    return start, PAGE, REACH, removal_mark(message)
