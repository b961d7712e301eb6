"""The variables of a service manager: their meaning, and that no other process inherits them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from taskq.config import NotifySocket, notify_socket

pytestmark = pytest.mark.one_python


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"WATCHDOG_USEC": "30000000"}, None),
        ({"NOTIFY_SOCKET": "@a"}, NotifySocket("@a", None)),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "30000000"}, NotifySocket("/s", 30.0)),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, NotifySocket("/s", 30.0)),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, NotifySocket("/s", None)),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "0"}, NotifySocket("/s", None)),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "soon"}, NotifySocket("/s", None)),
    ],
)
def test_the_variables_have_a_meaning(variables: dict[str, str], expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given variables of a service manager, then they are read, a watchdog only if it is meant for this process."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with notify_socket() as found:
        assert found == expected


def test_programs_that_are_started_dont_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the variables, then a program started in the block lacks them, and they are back after it, even if it raises."""
    variables = {"NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "2"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    show = [sys.executable, "-c", "import os; print(sorted(n for n in os.environ if n.startswith(('NOTIFY', 'WATCHDOG'))))"]
    with contextlib.suppress(KeyError), notify_socket():
        assert subprocess.run(show, capture_output=True, text=True).stdout == "[]\n"
        raise KeyError
    assert {name: os.environ[name] for name in variables} == variables
