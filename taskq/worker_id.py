"""Worker ids: their parts, and the traits of a worker that can be read from its id after it is lost.

An id ends in a random part and the traits: `44ca1a0dt15` has a lease of 15 s, and `44ca1a0dt15x8` also runs up to 8 jobs at once.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from hashlib import blake2b
from pathlib import Path

__all__ = ["is_of_machine", "is_surely_dead", "lease_of", "machine_name", "machine_tag", "new_worker_id", "pack_traits", "runs_several"]

_TRAITS = re.compile(r"[0-9a-f]{8}(?:t(\d{1,9}(?:\.\d{1,9})?))?(?:x(\d+))?", re.ASCII)


def pack_traits(lease: float, concurrency: int) -> str:
    """Return the traits, which follow the random part of an id."""
    seconds = f"{lease:.3f}".rstrip("0").rstrip(".")
    return f"t{seconds}{f'x{concurrency}' if concurrency > 1 else ''}"


def runs_several(worker: str) -> bool:
    """Return True if the worker runs several jobs at once. Then more than the first of its messages may have been running."""
    found = _read(worker)
    return found is not None and found[2] is not None


def lease_of(worker: str) -> float:
    """Return the lease of a worker in seconds, or 0.0 if its id has none."""
    found = _read(worker)
    return float(found[1]) if found is not None and found[1] else 0.0


def _read(worker: str) -> re.Match[str] | None:
    return _TRAITS.fullmatch(worker.rsplit(":", 1)[-1])


def machine_name() -> str:
    """Return the name of this host, as operators know it."""
    return socket.gethostname()


def machine_tag() -> str:
    """Return eight hex digits for this boot and this PID namespace, or an empty text if the system doesn't provide them.

    Containers share host names and reuse process ids, so neither alone proves that a process has exited.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return blake2b(boot + str(space).encode(), digest_size=4).hexdigest()


def new_worker_id(host: str, tag: str, *, lease: float = 15.0, concurrency: int = 1) -> str:
    """Return a unique worker id: host, machine, process id of the supervisor, and a random part with the worker's traits."""
    return f"{_plain(host)}:{tag or 'x'}:{os.getpid()}:{secrets.token_hex(4)}{pack_traits(lease, concurrency)}"


def is_of_machine(worker: str, host: str, tag: str) -> bool:
    """Return True if a worker runs on the machine with this name and tag; where the system provides no tag, the name decides."""
    found_host, found_tag, *_ = worker.split(":")[-4:] if worker.count(":") >= 3 else ("", "")
    return found_tag == tag if tag else (found_host, found_tag) == (_plain(host), "x")


def _plain(host: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in host)[:40]


def is_surely_dead(worker: str, tag: str) -> bool:
    """Return True if the id contains a supervisor of this machine that no longer runs."""
    parts = worker.rsplit(":", 3)
    if len(parts) != 4 or not tag or parts[1] != tag or not parts[2].isdigit():
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # another user's process, or an invalid process id
        return False
    return False
