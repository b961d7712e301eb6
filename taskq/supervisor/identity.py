"""Worker ids, and how a restarted supervisor knows that workers of this machine are dead without waiting for their leases."""

from __future__ import annotations

import os
import secrets
from hashlib import blake2b
from pathlib import Path

from taskq.traits import pack_traits

__all__ = ["is_surely_dead", "machine_tag", "new_worker_id"]


def machine_tag() -> str:
    """Eight hex digits for this boot and this space of process ids; empty where the system doesn't tell them.

    Containers share host names and reuse process ids, so neither alone says that a process is gone.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return blake2b(boot + str(space).encode(), digest_size=4).hexdigest()


def new_worker_id(host: str, tag: str, *, lease: float = 15.0, concurrency: int = 1) -> str:
    """Return an id that no other worker ever has: host, machine, supervisor's process id, and a random part with the worker's traits."""
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in host)[:40]
    return f"{plain}:{tag or 'x'}:{os.getpid()}:{secrets.token_hex(4)}{pack_traits(lease, concurrency)}"


def is_surely_dead(worker: str, tag: str) -> bool:
    """True when the id names a supervisor of this machine that no longer runs."""
    parts = worker.rsplit(":", 3)
    if len(parts) != 4 or not tag or parts[1] != tag or not parts[2].isdigit():
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # others' process, or no process id at all
        return False
    return False
