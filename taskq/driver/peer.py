"""The owner of an embedded server: its messages and results may be pickles, so another user's server could run any code."""

from __future__ import annotations

import re
import socket
import struct
import sys
from pathlib import Path

from taskq.config import OWNERS_VARIABLE, is_trusted, owner_text
from taskq.errors import ServerRefused

__all__ = ["FOLDER", "SHORT_FOLDER", "SOCKET", "check_owner", "is_embedded_socket", "refusal", "untrusted_peer"]

#: The folder of an embedded server in its project, and the name of its socket.
FOLDER, SOCKET = ".taskq", "server.sock"
#: The beginning of the name of the folder for sockets of projects with a long path.
SHORT_FOLDER = "taskq-"
_EMBEDDED = re.compile(rf"/(?:{re.escape(FOLDER)}/{re.escape(SOCKET)}|{SHORT_FOLDER}\d+/[0-9a-f]{{16}}\.sock)\Z")
#: struct ucred of Linux: pid, uid, gid. struct xucred of macOS and FreeBSD begins with its version and the uid.
_UCRED, _XUCRED = struct.Struct("3i"), struct.Struct("=II")
_XUCRED_SIZE = 256


def is_embedded_socket(path: str) -> bool:
    """Return True if this is the path of an embedded server's socket."""
    return _EMBEDDED.search(path) is not None


def untrusted_peer(sock: socket.socket) -> str | None:
    """Return the owner of the process at the other end of a connection, if that is an untrusted user. None if it is unknown."""
    uid: int
    if sys.platform == "linux":
        _, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    elif sys.platform == "darwin" or sys.platform.startswith("freebsd"):
        _, uid = _XUCRED.unpack_from(sock.getsockopt(0, 1, _XUCRED_SIZE))  # SOL_LOCAL, LOCAL_PEERCRED
    else:
        return None
    return None if is_trusted(uid) else owner_text(uid)


def refusal(what: str, owner: str) -> ServerRefused:
    """Return the error for something that another user owns."""
    return ServerRefused(
        f"{what} belongs to {owner}, neither to you nor to root. It could run any code as you, so it is not used. "
        f"To use it anyway, add that user to {OWNERS_VARIABLE}"
    )


def check_owner(path: Path, what: str) -> None:
    """Check the owner of a file, if it exists. Links are not followed.

    Raises:
        ServerRefused: it belongs to an untrusted user.
    """
    try:
        uid = path.lstat().st_uid
    except FileNotFoundError:
        return
    if not is_trusted(uid):
        raise refusal(f"{what} {path}", owner_text(uid))
