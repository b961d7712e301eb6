"""The connections of a channel: how many there are while callers wait, and how many remain."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from taskq import Handle, Queue, ResultTimeout
from taskq.driver.pool import IDLE_LIMIT
from tests.conftest import OwnServer
from tests.support.wait import wait_until


def test_each_waiting_caller_has_a_connection_and_few_remain(own_server: OwnServer, prefix: str, tmp_path: Path) -> None:
    """Given many threads that wait for results, then each blocks in the server over its own connection, and few of these remain."""
    server = own_server()
    queue = Queue(server.url, channels={"default": {"channel": prefix}}, directory=tmp_path)
    count = IDLE_LIMIT + 14
    handles = queue.job(name="add", result_ttl=60)(lambda number: number).push_many([(number,) for number in range(count)])
    before = len(server.admin.client_list())
    done = threading.Event()

    def wait(handle: Handle[int]) -> None:
        while not done.is_set():
            with contextlib.suppress(ResultTimeout):
                handle.result(timeout=2)

    threads = [threading.Thread(target=wait, args=(handle,)) for handle in handles]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: server.admin.info("clients")["blocked_clients"] == count)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    wait_until(lambda: len(server.admin.client_list()) - before <= IDLE_LIMIT)
    queue.close()
