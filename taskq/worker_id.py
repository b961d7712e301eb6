"""What a worker's id tells of it: whoever must give it up has nothing else left of it.

The id ends in a random part and the traits: `44ca1a0dt15` has a lease of 15 s, `44ca1a0dt15x8` also runs up to 8 jobs at once.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from hashlib import blake2b
from pathlib import Path

__all__ = ["is_surely_dead", "lease_of", "machine_name", "machine_tag", "new_worker_id", "pack_traits", "runs_several"]

_TRAITS = re.compile(r"[0-9a-f]{8}(?:t(\d{1,9}(?:\.\d{1,9})?))?(?:x(\d+))?", re.ASCII)


def pack_traits(lease: float, concurrency: int) -> str:
    """Return what stands behind the random part of an id."""
    seconds = f"{lease:.3f}".rstrip("0").rstrip(".")
    return f"t{seconds}{f'x{concurrency}' if concurrency > 1 else ''}"


def runs_several(worker: str) -> bool:
    """True when the id is of a worker that runs several jobs at once: then not only the first of its messages may have been running."""
    found = _read(worker)
    return found is not None and found[2] is not None


def lease_of(worker: str) -> float:
    """Seconds of the worker's own lease; 0.0 when its id doesn't tell."""
    found = _read(worker)
    return float(found[1]) if found is not None and found[1] else 0.0


def _read(worker: str) -> re.Match[str] | None:
    return _TRAITS.fullmatch(worker.rsplit(":", 1)[-1])


def machine_name() -> str:
    """This host's name, as operators know it."""
    return socket.gethostname()


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
