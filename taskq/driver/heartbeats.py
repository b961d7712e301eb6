"""The last heartbeats of the workers of a channel, as `taskq ping` reads them."""

from __future__ import annotations

from taskq.config import ChannelSettings
from taskq.driver.load import load_driver
from taskq.wire.activity import read_activity
from taskq.worker_id import is_of_machine, is_surely_dead, lease_of, machine_name, machine_tag

__all__ = ["last_heartbeat"]


def last_heartbeat(url: str, channel: ChannelSettings, *, anywhere: bool, starting: bool, timeout: float) -> float | None:
    """Return how many seconds ago a worker process has sent a heartbeat, less than its lease; None if no worker process is alive.

    Args:
        url: the URL of the server.
        channel: the settings of the channel.
        anywhere: count the workers of all machines, not only of this one.
        starting: count worker processes whose startup hooks have not returned.
        timeout: seconds for the connection, and for each reply.

    Raises:
        ServerError: the server is unreachable or rejects the command.
    """
    host, tag = machine_name(), machine_tag()
    driver = load_driver(url, channel)
    link = driver.link(timeout)
    try:
        reply = link.call(driver.workers())
        seconds, micros = link.call(driver.time())
        now, found = int(seconds) + int(micros) / 1e6, []
        for name, beat in zip(reply[::2], reply[1::2], strict=True):
            worker, age = name.decode(errors="replace"), abs(now - float(beat) / 1000)  # the server's clock may have been set back
            is_ours = anywhere or is_of_machine(worker, host, tag)
            if is_ours and age < max(channel.lease, lease_of(worker)) and not is_surely_dead(worker, tag):
                found.append((age, worker))
        for age, worker in sorted(found):
            if starting or read_activity(link.call(driver.describe(worker))).get("state") not in (None, "starting"):
                return age
    finally:
        link.close()
    return None
