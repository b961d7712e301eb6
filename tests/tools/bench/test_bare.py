"""The bare loops, on a real server."""

from __future__ import annotations

import pytest

from taskq.config import load_settings
from taskq.tools.bench import bare
from taskq.tools.bench.app import ITEMS
from taskq.tools.bench.cases import ALL
from taskq.tools.bench.place import scratch_place
from tests.support.servers import ServerProcess

COUNT = 150
pytestmark = pytest.mark.one_python


def test_a_bare_loop_does_what_its_case_does(server: ServerProcess) -> None:
    """Given messages of each case, then its loop runs all of them and leaves results, items and failures, and the end removes these."""
    with scratch_place(load_settings({"url": server.url})) as place:
        for case in ALL.values():
            if case.lanes == 0:
                bare.bare_push(place, case, COUNT * 10, "x")
                continue
            bare.bare_fill(place, COUNT, case.argument(3))
            bare.bare_drain(place, case)
            assert server.admin.exists(place.scratch_key("bare-waiting"), place.scratch_key("bare-reserved")) == 0, case.name
        found = {name: server.admin.keys(f"*:bare-{name}-*") for name in ("result", "async_result", "stream", "noop", "1kb", "threads")}
        assert {name: len(keys) for name, keys in found.items() if keys} == dict.fromkeys(("result", "async_result", "stream"), COUNT)
        assert server.admin.xlen(found["stream"][0].decode()) == ITEMS
        failures = server.admin.lrange(place.scratch_key("bare-failed"), 0, -1)
        assert (len(failures), b"ValueError: xxx" in failures[-1]) == (COUNT, True)
        pushed = [place.scratch_key(f"bare-{name}") for name in ("apush", "bulk", "bulk_delayed")]
        assert [server.admin.llen(key) for key in pushed[:2]] == [COUNT * 10] * 2
        assert server.admin.zcard(pushed[2]) == COUNT * 10
    assert server.admin.keys("*") == []
