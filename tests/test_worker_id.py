"""Worker ids: their origin, the traits of a worker, and whether it has exited."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from taskq.worker_id import is_surely_dead, lease_of, machine_tag, new_worker_id, runs_several


def test_ids_never_repeat_and_contain_their_origin() -> None:
    """Given many ids, then all differ, and each holds host, machine, process and a random part."""
    ids = [new_worker_id("box-1.example", "cafe0123") for _ in range(1000)]
    assert len(set(ids)) == 1000
    host, tag, pid, nonce = ids[0].split(":")
    assert (host, tag, pid, len(nonce.partition("t")[0])) == ("box-1.example", "cafe0123", str(os.getpid()), 8)


@pytest.mark.parametrize("host", ["my host", "a:b", "{x}", "ü" * 100, "", "x\ny"])
def test_strange_host_names_leave_a_readable_id(host: str) -> None:
    """Given a host's name with letters that mean something in ids or keys, then the id still has four parts."""
    worker = new_worker_id(host, "")
    assert len(worker.split(":")) == 4
    assert worker.isprintable()
    assert "{" not in worker
    assert len(worker) < 80


def test_the_tag_is_that_of_the_machine() -> None:
    """Given two looks, also from another process, then the tag of this machine is the same."""
    tag = machine_tag()
    code = "from taskq.worker_id import machine_tag; print(machine_tag())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert other.stdout.strip() == tag
    assert len(tag) == 8


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(30)
    return process.pid


def test_only_a_dead_supervisor_of_this_machine_is_surely_dead() -> None:
    """Given ids of living and dead supervisors, of this machine and of others, then only the dead ones of here are known to be dead."""
    here, dead = machine_tag(), _dead_pid()
    assert is_surely_dead(f"box:{here}:{dead}:00000000", here)
    assert not is_surely_dead(f"box:{here}:{os.getpid()}:00000000", here)
    assert not is_surely_dead(f"box:{here}:1:00000000", here)
    assert not is_surely_dead(f"box:0badcafe:{dead}:00000000", here)
    assert not is_surely_dead(f"box:x:{dead}:00000000", "")


@pytest.mark.parametrize("worker", ["", "w1", "a:b:c:d", "a:b:-1:d", "a:b:99999999999999:d", "::::"])
def test_other_ids_are_never_surely_dead(worker: str) -> None:
    """Given an id that no taskq made, then nothing is known of it."""
    assert not is_surely_dead(worker, "b")


@pytest.mark.parametrize("host", ["box", "x20", "a:b", "abcdef01x20"])
def test_an_id_shows_whether_several_jobs_run_at_once(host: str) -> None:
    """Given ids of workers with one job and with several, with any host name, then the ids show the difference."""
    one, several = new_worker_id(host, "cafe0123"), new_worker_id(host, "cafe0123", concurrency=20)
    assert (runs_several(one), runs_several(several)) == (False, True)
    assert several.endswith("x20")
    assert not is_surely_dead(several, "cafe0123")
    assert not runs_several("something else")


@pytest.mark.parametrize("lease", [0.5, 1.5, 15, 60, 3600, 0.125, 86_400])
@pytest.mark.parametrize("concurrency", [1, 20])
def test_an_id_contains_the_lease_of_its_worker(lease: float, concurrency: int) -> None:
    """Given ids of workers with any lease, then it can be read from them; ids that no taskq made have none."""
    worker = new_worker_id("box", "cafe0123", lease=lease, concurrency=concurrency)
    assert (lease_of(worker), runs_several(worker)) == (lease, concurrency > 1)
    others = ("w1", "", "a:b:1:0123abcd", "a:b:1:0123abcdt", "a:b:1:0123abcdtx", "a:b:1:0123abcdt1e9")
    assert [lease_of(other) for other in others] == [0.0] * 6
