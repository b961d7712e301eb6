"""SIGHUP replaces the worker processes, and loses no job."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from taskq import Queue
from taskq.channel import State
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

CODE = """
import os, taskq
from tests.support.ledger import note

queue = taskq.Queue()

@queue.job
def record(number: int = 0) -> None:
    note("record", ["{version}", number])

@queue.job
def hold(path: str) -> None:
    import time
    note("hold", "{version}")
    while not os.path.exists(path):
        time.sleep(0.005)
    note("held", "{version}")
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The app's file, in its first version."""
    path = tmp_path / "site_app.py"
    path.write_text(CODE.format(version="one"))
    return path


@pytest.fixture
def queue(url: str) -> Queue:
    """A producer that knows the jobs only by name."""
    queue = Queue(url, channels={"bulk": {}, "extra": {}})
    for name in ("record", "hold", "fresh"):
        queue.job(name=f"site_app:{name}")(lambda *args: None)
    return queue


def test_new_code_runs_after_sighup(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue) -> None:
    """Given two children, if the app changes and SIGHUP comes, then both are replaced, one after the other, and run the new code."""
    worker = start_worker("site_app", "--processes", "2", cwd=code.parent, ready=2)
    zygote, old = worker.zygote().pid, set(worker.children())
    code.write_text(CODE.format(version="two"))
    worker.signal(signal.SIGHUP)
    wait_until(lambda: len(worker.children()) == 2 and not old & set(worker.children()))
    wait_until(lambda: len(worker.family()) == 3 and worker.zygote().pid != zygote)
    queue.push_name("site_app:record", [1])
    assert [line.value for line in ledger.wait_for("record")] == [["two", 1]]
    assert worker.stop() == 0
    assert "reloading the app" in worker.log


def test_nothing_is_lost_in_a_restart(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue) -> None:
    """Given many running jobs, if SIGHUP comes among them, then each runs exactly once."""
    worker = start_worker("site_app", "--processes", "2", cwd=code.parent, ready=2)
    job = queue.jobs.get("site_app:record")
    assert job is not None
    job.push_many([(number,) for number in range(3000)])
    ledger.wait_for("record", 50)
    code.write_text(CODE.format(version="two"))
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("app reloaded")
    job.push_many([(number,) for number in range(3000, 3500)])
    ledger.wait_for("record", 3500, timeout=30)
    assert worker.stop() == 0
    assert sorted(number for _, number in ledger.values("record")) == list(range(3500))


def test_a_running_job_ends_in_the_old_code(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, tmp_path: Path) -> None:
    """Given a job that runs while SIGHUP comes, then the new code doesn't wait for it, and it finishes in its old process."""
    worker = start_worker("site_app", cwd=code.parent)
    queue.push_name("site_app:hold", [str(tmp_path / "go")])
    ledger.wait_for("hold")
    code.write_text(CODE.format(version="two"))
    worker.signal(signal.SIGHUP)
    wait_until(lambda: len(worker.children()) == 2)
    queue.push_name("site_app:record", [1])
    ledger.wait_for("record")
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    assert [line[:2] for line in ledger.lines()] == [("hold", "one"), ("record", ["two", 1]), ("held", "one")]
    assert worker.stop() == 0


@pytest.mark.parametrize("broken", ["this is no python", "raise RuntimeError('broken')", "import os\nos._exit(3)", "x = 1\n"])
def test_the_old_code_stays_when_the_new_does_not_load(
    start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, broken: str
) -> None:
    """Given an app that no longer loads, if SIGHUP comes, then that is logged, and the old code stays; a fixed app is loaded."""
    worker = start_worker("site_app", cwd=code.parent)
    old = worker.children()
    code.write_text(broken)
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("ERROR .*rolling restart failed, keeping the old code")
    queue.push_name("site_app:record", [1])
    ledger.wait_for("record")
    assert worker.children() == old
    code.write_text(CODE.format(version="three"))
    worker.signal(signal.SIGHUP)
    wait_until(lambda: worker.children() not in (old, []))
    queue.push_name("site_app:record", [2])
    ledger.wait_for("record", 2)
    assert ledger.values("record") == [["one", 1], ["three", 2]]
    assert worker.stop() == 0


def test_a_job_of_the_new_code_is_unparked(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, store: Store) -> None:
    """Given a message of a job that only the new code has, then it is parked, and runs after SIGHUP, in its first attempt."""
    worker = start_worker("site_app", cwd=code.parent)
    queue.push_name("site_app:fresh")
    wait_until(lambda: store.count(State.PARKED) == 1)
    extra = "\n@queue.job\ndef fresh() -> None:\n    note('fresh', taskq.current().attempt)\n"
    code.write_text(CODE.format(version="two") + extra)
    worker.signal(signal.SIGHUP)
    ledger.wait_for("fresh")
    assert ledger.values("fresh") == [1]
    assert worker.stop() == 0
    assert store.count(State.PARKED) == 0


WAITING = """
import os, time
note("import", {version!r})
while not os.path.exists({path!r}):
    time.sleep(0.005)
"""


def test_a_sighup_while_the_app_is_loaded_is_not_lost(
    start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, tmp_path: Path
) -> None:
    """Given a restart that loads the app, if the code changes and another SIGHUP comes, then the worker ends with the last code."""
    worker = start_worker("site_app", cwd=code.parent)
    first = CODE.format(version="two") + WAITING.format(version="two", path=str(tmp_path / "go"))
    code.write_text(first)
    worker.signal(signal.SIGHUP)
    ledger.wait_for("import")
    code.write_text(CODE.format(version="three") + "note('import', 'three')\n")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("the app is being loaded; loading it again afterwards")
    (tmp_path / "go").touch()
    worker.wait_for_log(r"(?s)app reloaded.*app reloaded.*rolling restart finished")  # earlier, an old process may take the message
    queue.push_name("site_app:record", [1])
    ledger.wait_for("record")
    assert ledger.values("record") == [["three", 1]]
    assert worker.stop() == 0


def test_a_sighup_while_the_worker_starts_is_not_lost(start_worker: StartWorker, ledger: Ledger, code: Path, tmp_path: Path) -> None:
    """Given a worker that loads its app, if SIGHUP comes, then it loads the app once more after the start."""
    code.write_text(CODE.format(version="one") + WAITING.format(version="one", path=str(tmp_path / "go")))
    worker = start_worker("site_app", cwd=code.parent, ready=0)
    ledger.wait_for("import")
    worker.signal(signal.SIGHUP)
    (tmp_path / "go").touch()
    ledger.wait_for("import", 2)
    worker.wait_for_log("app reloaded")
    assert worker.stop() == 0


def test_a_sighup_during_a_long_restart_starts_another(
    start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, tmp_path: Path
) -> None:
    """Given a restart that waits for a running job, if SIGHUP comes again, then the code is loaded again; the job ends in the oldest."""
    worker = start_worker("site_app", cwd=code.parent)
    queue.push_name("site_app:hold", [str(tmp_path / "go")])
    ledger.wait_for("hold")
    for number, version in enumerate(("two", "three")):
        code.write_text(CODE.format(version=version))
        worker.signal(signal.SIGHUP)
        worker.wait_for_log("app reloaded", count=number + 1)
    (tmp_path / "go").touch()
    assert [line.value for line in ledger.wait_for("held")] == ["one"]
    worker.wait_for_log(r"(?s)app reloaded.*app reloaded.*rolling restart finished")
    queue.push_name("site_app:record", [1])
    assert [line.value for line in ledger.wait_for("record")] == [["three", 1]]
    assert worker.stop() == 0


SETTINGS = """
[channels.default]
processes = {processes}
max_attempts = {attempts}
lease = {lease}
{more}
"""


def write_settings(folder: Path, *, processes: int = 1, attempts: int = 1, lease: int = 15, more: str = "") -> None:
    (folder / "taskq.toml").write_text(SETTINGS.format(processes=processes, attempts=attempts, lease=lease, more=more))


def test_changed_settings_take_effect(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue) -> None:
    """Given a settings file with other numbers, a new channel and one less, then SIGHUP starts and stops processes, with new settings."""
    extra = "\n@queue.job\ndef attempts() -> None:\n    note('attempts', [taskq.current().channel, taskq.current().max_attempts])\n"
    code.write_text(CODE.format(version="one") + extra)
    write_settings(code.parent, processes=2, more="[channels.old]\nprocesses = 2")
    worker = start_worker("site_app", cwd=code.parent, ready=2)
    wait_until(lambda: len(worker.children("taskq: old")) == 2)
    write_settings(code.parent, processes=1, attempts=7, more="[channels.bulk]\nprocesses = 3\nmax_attempts = 9")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: [len(worker.children(f"taskq: {name}")) for name in ("default", "bulk", "old")] == [1, 3, 0])
    wait_until(lambda: len(worker.family()) == 5)
    assert psutil.Process(worker.pid).cmdline()[0] == "taskq: supervisor of bulk, default"
    job = queue.job(name="site_app:attempts")(lambda: None)
    for channel in ("default", "bulk"):
        job.options(channel=channel).push()
    assert sorted(line.value for line in ledger.wait_for("attempts", 2)) == [["bulk", 9], ["default", 7]]
    assert worker.stop() == 0
    assert "channel bulk: new, 3 processes" in worker.log
    assert "channel default: changed settings: processes, max_attempts" in worker.log
    assert "channel default: 1 process" in worker.log
    assert "channel old: no longer in the app; stopping its processes" in worker.log
    assert "ERROR" not in worker.log


def test_a_removed_channel_may_be_added_again(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, tmp_path: Path) -> None:
    """Given a channel that a restart removes while its job runs, then the job ends; after another SIGHUP the channel is consumed again."""
    more = "[channels.extra]\nprocesses = 1"
    write_settings(code.parent, more=more)
    worker = start_worker("site_app", cwd=code.parent)
    hold, record = queue.jobs.get("site_app:hold"), queue.jobs.get("site_app:record")
    assert hold is not None
    assert record is not None
    hold.options(channel="extra").push(str(tmp_path / "go"))
    ledger.wait_for("hold")
    write_settings(code.parent)
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("channel extra: no longer in the app")
    write_settings(code.parent, more=more)
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("channel extra: 1 process", count=2)
    record.options(channel="extra").push(1)
    ledger.wait_for("record")
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    assert worker.stop() == 0
    assert "ERROR" not in worker.log


def test_more_processes_than_the_zygote_has_room_for(start_worker: StartWorker, code: Path) -> None:
    """Given a worker with one process, if the settings want forty, then SIGHUP starts forty; the running ones are replaced, too."""
    write_settings(code.parent)
    worker = start_worker("site_app", cwd=code.parent)
    old = set(worker.children())
    write_settings(code.parent, processes=40)
    worker.signal(signal.SIGHUP)
    wait_until(lambda: len(found := set(worker.children())) == 40 and not old & found, timeout=60, interval=0.1)
    assert worker.stop() == 0
    assert "ERROR" not in worker.log
    assert "WARNING" not in worker.log


def test_a_number_that_signals_changed_stays(start_worker: StartWorker, code: Path) -> None:
    """Given one process more by SIGTTIN, then a restart without a changed number keeps it."""
    write_settings(code.parent)
    worker = start_worker("site_app", cwd=code.parent)
    worker.signal(signal.SIGTTIN)
    wait_until(lambda: len(worker.children()) == 2)
    old = set(worker.children())
    worker.signal(signal.SIGHUP)
    wait_until(lambda: len(found := set(worker.children())) == 2 and not old & found)
    assert worker.stop() == 0


def test_settings_that_need_a_restart_are_refused(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue) -> None:
    """Given a changed lease, if SIGHUP comes, then the log names the remedy, and the old code stays; a lease as before is accepted."""
    write_settings(code.parent)
    worker = start_worker("site_app", cwd=code.parent)
    old = worker.children()
    code.write_text(CODE.format(version="two"))
    write_settings(code.parent, lease=20)
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("ERROR .*keeping the old code: channel default: changed lease; restart the worker to apply this")
    queue.push_name("site_app:record", [1])
    assert [line.value for line in ledger.wait_for("record")] == [["one", 1]]
    assert worker.children() == old
    write_settings(code.parent)
    worker.signal(signal.SIGHUP)
    wait_until(lambda: worker.children() not in (old, []))
    assert worker.stop() == 0


def test_a_worker_stops_in_the_middle_of_a_restart(start_worker: StartWorker, code: Path) -> None:
    """Given a restart whose app loads slowly, if the worker is asked to stop, then it does."""
    worker = start_worker("site_app", cwd=code.parent)
    code.write_text("import time\ntime.sleep(60)\n")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("reloading the app")
    assert worker.stop(5) == 0


def test_a_worker_that_can_not_reload_its_app_exits(start_worker: StartWorker, code: Path, store: Store) -> None:
    """Given an app that no longer loads, if the zygote is killed, then the worker exits with 2 and reports the reason."""
    worker = start_worker("site_app", cwd=code.parent)
    code.write_text("raise RuntimeError('broken')")
    worker.zygote().kill()
    assert worker.wait() == 2
    assert "the zygote died, and the app can't be reloaded" in worker.log
    assert "RuntimeError: broken" in worker.log
    assert store.workers() == {}


def test_a_killed_zygote_is_replaced(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue) -> None:
    """Given a zygote that is killed, and its children with it, then another replaces it, and the interrupted jobs run again."""
    worker = start_worker("site_app", cwd=code.parent)
    queue.push_name("site_app:hold", [str(code.parent / "go")])
    queue.push_name("site_app:record", [1])
    ledger.wait_for("hold")
    worker.zygote().kill()
    ledger.wait_for("hold", 2)
    (code.parent / "go").touch()
    ledger.wait_for("record")
    assert worker.stop() == 0
    assert [line.what for line in ledger.lines()] == ["hold", "hold", "held", "record"]
    assert "starting another" in worker.log
