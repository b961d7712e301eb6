"""Packing commands, which an exception of a signal handler may interrupt."""

from __future__ import annotations

import subprocess
import sys

from tests.support.worker import clean_environment

_INTERRUPTED_OFTEN = """
import gc
import signal
from redis.connection import Connection
from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.driver.contract import Parts, Rescue, StoredEnding
from taskq.driver.redis.driver import RedisDriver

class Interrupted(BaseException):
    pass

def interrupt(*_):
    raise Interrupted

driver = RedisDriver("redis://localhost", ChannelSettings(name="default"))
ending = StoredEnding(b"", 1000)
commands = [
    driver.push_later([b"x"], delay_ms=3_600_000),
    driver.reserve("w", 256, [b"x"]),
    driver.reserve_one("w", 4.9),
    driver.retry("w", b"x", 1000, b"x"),
    driver.fail("w", State.FAILED, b"x" * 16, b"x", ending),
    driver.part("w", b"x" * 16, Parts(17, (b"x",) * 100, 1000, 1000, b"run")),
    driver.promote(),
    driver.heartbeat("w", {"pid": 12345, "memory": 98765, "since_ms": 1.5}, lease_ms=1000, register=True),
    driver.heartbeat_all([("w", {"pid": 12345, "since_ms": 1.5})], lease_ms=1000),
    driver.rescue(Rescue("w", 1000)),
    driver.wait_for_parts("00" * 16, 5, 100, 1.5),
    driver.wait_for_result("00" * 16, 1.5),
    driver.page(State.WAITING, 10, 100),
    driver.find(State.FAILED, "00" * 16, 10, 100),
    driver.report_progress("00" * 16, b"x", 1000),
    driver.confirm(2, 1000),
]
pack = Connection().pack_command
gc.collect()  # an exception in the finalizer of an old connection would be lost, and the loop below would never end
signal.signal(signal.SIGALRM, interrupt)
for number in range(1_000):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005 + number % 10 * 0.00005)
        while True:
            for command in commands:
                pack(*command.words)
    except Interrupted:
        pass
print("alive")
"""


def test_an_exception_may_interrupt_the_packing_of_a_command() -> None:
    """Given all kinds of commands, if an exception interrupts their packing a thousand times, then the process survives.

    Python runs signal handlers while it formats a number, and hiredis doesn't expect one to raise.
    """
    command = [sys.executable, "-X", "faulthandler", "-c", _INTERRUPTED_OFTEN]
    run = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (0, "alive\n"), run.stderr
