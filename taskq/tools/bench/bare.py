"""The bare loops: the same functions and round trips, without a queue. A crash loses what such a loop has in hand.

A script settles a batch and reserves the next one. Each loop runs in the process of the benchmark.
"""

from __future__ import annotations

import asyncio
import hashlib
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count as numbers
from typing import Any

from msgspec import msgpack

from taskq.driver.contract import Command, Script, Word
from taskq.tools.bench.app import App
from taskq.tools.bench.cases import Case
from taskq.tools.bench.place import Place

__all__ = ["bare_drain", "bare_fill", "bare_push"]

#: Messages per script call, and per LPUSH of a bulk load.
_BATCH, _BULK = 64, 1_000
_HOUR_MS = 3_600_000
#: KEYS: waiting, reserved, then one for each outcome. ARGV: how many to take, how an outcome is stored, then the outcomes.
_TAKE = """
redis.call('DEL', KEYS[2])
local each = (#ARGV - 2) / (#KEYS - 2)
for i = 3, #ARGV do
  local key = KEYS[3 + math.floor((i - 3) / each)]
  if ARGV[2] == 'result' then redis.call('SET', key, ARGV[i], 'PX', 600000)
  elseif ARGV[2] == 'item' then redis.call('XADD', key, '*', 'item', ARGV[i])
  else redis.call('RPUSH', key, ARGV[i]) end
end
local taken = redis.call('RPOP', KEYS[1], ARGV[1])
if not taken then return {} end
redis.call('RPUSH', KEYS[2], unpack(taken))
return taken
"""
_SCRIPT = Script("bare loop", _TAKE, hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest())
#: Runs a batch, and returns its outcomes.
Run = Callable[[list[bytes]], list[bytes]]


def bare_fill(place: Place, count: int, argument: str) -> None:
    """Put messages where `bare_drain` finds them."""
    waiting = place.scratch_key("bare-waiting")
    for first in range(0, count, _BULK):
        place.ask("LPUSH", waiting, *[msgpack.encode((argument,))] * min(_BULK, count - first))


def bare_drain(place: Place, case: Case) -> None:
    """Run all of them."""
    waiting, reserved, failed = map(place.scratch_key, ("bare-waiting", "bare-reserved", "bare-failed"))
    kind = {"give": "result", "agive": "result", "items": "item"}.get(case.job, "failure")
    outcomes, batch, key = list[bytes](), list[bytes](), numbers()
    with _runner(place.app, case) as run:
        while True:
            keys = [failed if kind == "failure" else place.scratch_key(f"bare-{case.name}-{next(key)}") for _ in batch] if outcomes else []
            words: tuple[Word, ...] = (str(2 + len(keys)), waiting, reserved, *keys, str(_BATCH), kind, *outcomes)
            batch = place.sender.call(Command("run a bare loop", words, _SCRIPT))
            if not batch:
                return
            outcomes = run(batch)


@contextmanager
def _runner(app: App, case: Case) -> Iterator[Run]:
    function: Callable[..., Any] = getattr(app, case.job).function
    if case.job in {"anothing", "agive"}:
        with closing(asyncio.new_event_loop()) as loop:
            yield lambda batch: loop.run_until_complete(_all(function, batch))
    elif case.lanes > 1:
        with ThreadPoolExecutor(case.lanes) as threads:
            yield lambda batch: [done for done in threads.map(lambda one: _outcome(function(*msgpack.decode(one))), batch) if done]
    elif case.job == "fail":
        yield lambda batch: [_failure(function, one) for one in batch]
    elif case.job == "items":
        yield lambda batch: [msgpack.encode(item) for one in batch for item in function(*msgpack.decode(one))]
    else:
        yield lambda batch: [done for one in batch if (done := _outcome(function(*msgpack.decode(one))))]


async def _all(function: Callable[..., Any], batch: list[bytes]) -> list[bytes]:
    results = await asyncio.gather(*[function(*msgpack.decode(one)) for one in batch])
    return [done for result in results if (done := _outcome(result))]


def _outcome(result: object) -> bytes:
    return b"" if result is None else msgpack.encode(result)


def _failure(function: Callable[..., Any], message: bytes) -> bytes:
    try:
        function(*msgpack.decode(message))
    except ValueError:
        return traceback.format_exc().encode()
    raise AssertionError("the failing job has not failed")


def bare_push(place: Place, case: Case, count: int, argument: str) -> None:
    """Push as fast as the server and the connection allow: 100 or 1,000 messages per command."""
    key = place.scratch_key(f"bare-{case.name}")
    if case.name == "apush":
        asyncio.run(_bare_apush(place, key, count, argument))
        return
    for first in range(0, count, _BULK):
        messages = [msgpack.encode((argument,)) for _ in range(min(_BULK, count - first))]
        if case.name == "bulk":
            place.ask("LPUSH", key, *messages)
        else:
            place.ask(
                "ZADD", key, *[word for number, one in enumerate(messages, first) for word in (_HOUR_MS + number, b"%d" % number + one)]
            )


async def _bare_apush(place: Place, key: str, count: int, argument: str) -> None:
    for _ in range(0, count, 100):
        words: tuple[Word, ...] = ("LPUSH", key, *[msgpack.encode((argument,)) for _ in range(100)])
        await place.sender.acall(Command("push", words))
