"""What the server and the client allow: a list, LPUSH, and a loop. `python bare_app.py blmove` and `python bare_app.py lua`."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence

import marks
import redis

client = redis.Redis.from_url(os.environ["BENCH_URL"])
WAITING = "bare:waiting"
BATCH = 64

# Settles the batch before and takes the next: what it hands out stays in a list of the worker's own until then.
TAKE = """
redis.call('DEL', KEYS[2])
local taken = redis.call('RPOP', KEYS[1], ARGV[1])
if not taken then return {} end
redis.call('RPUSH', KEYS[2], unpack(taken))
return taken
"""


def job(number: int) -> None:
    marks.run(number)


def note(number: int) -> None:
    marks.started(number)


def push(number: int) -> None:
    client.lpush(WAITING, pickle.dumps((job, number)))


def push_many(numbers: Sequence[int]) -> None:
    """A thousand a command: fills the list fast."""
    for first in range(0, len(numbers), 1000):
        client.lpush(WAITING, *[pickle.dumps((job, number)) for number in numbers[first : first + 1000]])


def push_note(number: int) -> None:
    client.lpush(WAITING, pickle.dumps((note, number)))


def push_constant(number: int) -> None:
    """The loop that does nothing but LPUSH: a hundred bytes, always the same."""
    client.lpush(WAITING, b"." * 100)


def moved_only(reserved: str) -> Iterator[bytes]:
    """One message a round trip, moved and never settled: less than any queue can do."""
    while True:
        message = client.blmove(WAITING, reserved, 5, "RIGHT", "LEFT")
        if message:
            yield message


def in_batches(reserved: str) -> Iterator[bytes]:
    """64 messages a round trip, settled by the next one."""
    take = client.register_script(TAKE)
    while True:
        messages = take(keys=[WAITING, reserved], args=[BATCH])
        if not messages:
            client.blmove(WAITING, WAITING, 5, "RIGHT", "RIGHT")
        yield from messages


def work(messages: Iterator[bytes]) -> None:
    """Run what comes, forever."""
    loads: Callable[[bytes], tuple[Callable[[int], None], int]] = pickle.loads
    for message in messages:
        function, number = loads(message)
        function(number)


if __name__ == "__main__":
    import bare_app  # by that name the functions stand in the messages

    ways = {"blmove": bare_app.moved_only, "lua": bare_app.in_batches}
    bare_app.work(ways[sys.argv[1]](f"bare:reserved:{os.getpid()}"))
