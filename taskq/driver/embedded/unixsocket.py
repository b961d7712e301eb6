"""The server's Unix socket: a path that is short enough, in a private directory; and single commands over it."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from taskq.driver.peer import SHORT_FOLDER, SOCKET, refusal, untrusted_peer
from taskq.errors import ServerUnavailable

__all__ = ["ask", "clear_socket", "find_socket", "place_socket"]

#: The longest path of a Unix socket that every system supports (Linux: 107 bytes, macOS: 103).
_PATH_LIMIT = 103


def ask(path: Path, command: bytes, timeout: float) -> bytes:
    """Send one command without arguments and return its reply, empty if the server closed the connection instead.

    Raises:
        ServerRefused: the process that listens belongs to an untrusted user. Nothing was sent.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        if (owner := untrusted_peer(connection)) is not None:
            raise refusal(f"the embedded server at {path}", owner)
        connection.sendall(command + b"\r\n")
        with connection.makefile("rb") as answer:
            line = answer.readline().rstrip()
            return answer.read(int(line[1:])) if line.startswith(b"$") else line


def find_socket(directory: Path) -> Path:
    """Return the path of the socket of the server that has its data in `directory`.

    If the path there is too long for a socket, it is elsewhere, and a symbolic link in the directory points to it. So processes
    with another TMPDIR still find it.
    """
    inside = directory / SOCKET
    if _fits(inside):
        return inside
    try:
        return inside.readlink()
    except OSError:
        return _short_path(directory)


def place_socket(directory: Path) -> Path:
    """Prepare the directory for the socket of a server that is about to start, and return the socket's path.

    Raises:
        ServerUnavailable: the directory is not private.
    """
    inside = directory / SOCKET
    if _fits(inside):
        return inside
    place = _short_path(directory)
    _occupy(place)
    inside.unlink(missing_ok=True)
    inside.symlink_to(place)
    return place


def clear_socket(directory: Path) -> None:
    """Remove the folder outside of `directory` that contained its socket, if no other server has a socket there."""
    place = find_socket(directory)
    if place.parent != directory:
        with suppress(OSError):
            _marker(place).unlink(missing_ok=True)
            place.parent.rmdir()


def _occupy(place: Path) -> None:
    """Create the folder of a socket with a marker file, so that no process removes it as empty before the server starts."""
    while True:
        _make_private(place.parent)
        with suppress(FileNotFoundError):  # another project has just stopped its server, and removed the folder
            _marker(place).touch()
            return


def _marker(place: Path) -> Path:
    return place.with_suffix(".used")


def _fits(path: Path) -> bool:
    """Return whether a Unix socket can have this path, and a URL can carry it."""
    try:
        return len(str(path).encode()) <= _PATH_LIMIT
    except UnicodeEncodeError:  # the path is not valid UTF-8
        return False


def _short_path(directory: Path) -> Path:
    """Return a short path for the socket of a directory with a long path: always the same for the same directory."""
    name = hashlib.blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir(), f"{SHORT_FOLDER}{os.getuid()}", f"{name}.sock")


def _make_private(path: Path) -> None:
    """Create the directory, or check that it is private: every user may write to its parent.

    Raises:
        ServerUnavailable: it is a link, belongs to another user, or other users have access.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ServerUnavailable(
            f"socket directory {path} must be owned by you with mode 0700. Remove it, or move the project to a shorter path"
        )
