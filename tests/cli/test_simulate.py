"""`taskq chaos --simulate`: its report, its exit code, and invalid options."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.worker import clean_environment

#: Loses every job that has failed permanently.
BROKEN = """
from taskq.driver.redis.driver import RedisDriver
RedisDriver.fail = lambda self, worker, state, message_id, message, ending=None: self.ack(worker, [message_id])
"""


def chaos(place: Path, *args: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run `taskq chaos`. Settings of the user must change nothing."""
    command = [sys.executable, "-c", f"{code}\nfrom taskq.cli import main; main()", "chaos", *args]
    environment = {**clean_environment(), "TASKQ_SECRET": "s" * 32, "TASKQ_SERIALIZER": "json", "COLUMNS": "120"}
    return subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, timeout=110, stdin=subprocess.DEVNULL)


def test_a_few_seeds_break_no_rule(tmp_path: Path) -> None:
    """Given a few seeds, when they are simulated, then the report says so, and the exit code is 0."""
    done = chaos(tmp_path, "--simulate", "--seeds", "3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["first"], report["seeds"], report["found"], report["ok"]) == (0, 3, None, True)
    assert report["commands"] > 100


def test_a_broken_rule_is_printed_with_its_history(tmp_path: Path) -> None:
    """Given code that loses failed jobs, when seeds are simulated, then one is printed with its history, and the exit code is 1."""
    done = chaos(tmp_path, "--simulate", "--seeds", "100", code=BROKEN)
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    assert "nothing lost: message #" in done.stdout
    assert "The smallest scenario that breaks it:\n  machine host0: 1 processes" in done.stdout
    assert "starts message #" in done.stdout
    assert "Repeat it: taskq chaos --simulate --seed " in done.stdout


@pytest.mark.parametrize("options", [["--simulate", "--seconds", "3"], ["--simulate", "--faults", "list"], ["--seeds", "3"]])
def test_options_that_do_not_fit_are_rejected(tmp_path: Path, options: list[str]) -> None:
    """Given an option that is not valid with --simulate, then nothing runs, and the error names it."""
    done = chaos(tmp_path, *options)
    assert done.returncode == 2
    assert f"{options[0] if '--seeds' in options else options[1]} is" in done.stderr
