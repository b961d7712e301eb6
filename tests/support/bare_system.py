"""A system as in a container: a read-only root, no writable temporary directory, no usable /dev/shm; a command that is PID 1."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

__all__ = ["Shm", "bare_system", "pid_one"]

#: The state of /dev/shm: read-only, or without a free byte.
Shm = Literal["read-only", "full"]

_SHM = {
    "read-only": "mount -t tmpfs -o ro none /dev/shm",
    "full": "mount -t tmpfs -o size=4k none /dev/shm && head -c 4096 /dev/zero >/dev/shm/full && ! touch /dev/shm/more 2>/dev/null",
}
# Mounts are changed in a namespace of the command. A bind mount stays writable when the file system around it is made read-only.
_SCRIPT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
{shm}
awk '{{print $5}}' /proc/self/mountinfo | while read -r place; do
    case "$place" in
        "$1"|/dev/shm|/dev/pts|/proc|/proc/*|/sys|/sys/*) ;;
        *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;;
    esac
done
! touch /tmp/taskq-writable 2>/dev/null
shift
exec "$@"
"""


def bare_system(writable: Path, shm: Shm) -> list[str]:
    """Return the beginning of a command that runs in such a system, where only one directory is writable.

    Skips the test where the user may not create namespaces.
    """
    return _checked(["unshare", "--mount", "--user", "--map-root-user", "sh", "-c", _SCRIPT.format(shm=_SHM[shm]), "sh", str(writable)])


def pid_one() -> list[str]:
    """Return the beginning of a command that is the first process of its system. It can't be signaled. Skips the test likewise."""
    return _checked(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--user", "--map-root-user"])


def _checked(command: list[str]) -> list[str]:
    if problem := _problem((*command, "true")):
        pytest.skip(f"no namespaces here: {problem}")
    return command


@cache
def _problem(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or "the mounts can't be changed"
