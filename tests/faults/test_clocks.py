"""Machines whose clocks are an hour off: only the server's clock counts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from taskq.channel import State
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import runs
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import ROOT

HOUR = 3600
#: Python runs this before anything else: no process of the worker knows another clock.
SITE = """
import time
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {off}
time.time_ns = lambda: _time_ns() + {off} * 10**9
"""


def _clock(folder: Path, off: int) -> dict[str, str]:
    """Return the environment of a process whose clock is off."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE.format(off=off))
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


@pytest.mark.parametrize("producer", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_wrong_clocks_change_nothing(
    start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, producer: int
) -> None:
    """Given workers an hour ahead and an hour behind, and a producer of either kind, then no lease ends early, and delays are right."""
    settings = {"lease": 1.5}
    ahead = start_worker("faulty", settings=settings, env=_clock(tmp_path / "ahead", HOUR))
    behind = start_worker("faulty", settings=settings, env=_clock(tmp_path / "behind", -HOUR))
    right, right_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: right() + producer)
    monkeypatch.setattr(time, "time_ns", lambda: right_ns() + producer * 10**9)
    faulty.hold.push(str(tmp_path / "go"), "one")
    faulty.hold.push(str(tmp_path / "go"), "other")
    assert len({line.pid for line in ledger.wait_for("run", 2)}) == 2
    time.sleep(3 * settings["lease"])  # jobs longer than the lease
    (tmp_path / "go").touch()
    ledger.wait_for("held", 2)
    faulty.retry_once.push("retried")
    pushed = time.monotonic()
    faulty.quick.options(delay=0.6).push("later")
    later = wait_until(lambda: [line for line in ledger.lines("run") if line.value == "later"])[0]
    assert 0.55 < later.at - pushed < 1.2
    wait_until(lambda: runs(ledger)["retried"] == 2)
    for worker in (ahead, behind):
        assert worker.stop() == 0
        assert "lost" not in worker.log
        assert "declared lost" not in worker.log
    # The logs show that their clocks were really off.
    assert ahead.log[:13] != behind.log[:13]
    assert runs(ledger) == {"one": 1, "other": 1, "retried": 2, "later": 1}
    assert sum(store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)) == 0
