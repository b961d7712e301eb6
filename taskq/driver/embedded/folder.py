"""The folder of an embedded server: private, and everything in it belongs to this user."""

from __future__ import annotations

import os
from pathlib import Path

from taskq.config import owner_text
from taskq.driver.peer import check_owner
from taskq.errors import ServerRefused

__all__ = ["check_places", "prepare_folder"]


def check_places(directory: Path, socket: Path) -> None:
    """Check the folder of a server, and its socket, which may be in another folder.

    Raises:
        ServerRefused: one of them belongs to an untrusted user.
    """
    check_owner(directory, "the folder of the embedded server,")
    if socket.parent != directory:
        check_owner(socket.parent, "the folder of the embedded server's socket,")
    check_owner(socket, "the embedded server's socket")


def prepare_folder(directory: Path, socket: Path) -> None:
    """Create the folder of a server that is about to start, or check it. Another user who could write to it may have put data there.

    Raises:
        ServerRefused: the folder or a file in it belongs to an untrusted user, or the folder to a trusted one.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_places(directory, socket)
    owner = directory.stat().st_uid
    if os.geteuid() not in (0, owner):  # only its owner can make it private, and use its socket
        raise ServerRefused(
            f"the folder of the embedded server, {directory}, belongs to {owner_text(owner)}, and only that user can start the server: "
            "run taskq as that user, or set `url` to a server that several users can reach"
        )
    _check_files(directory)
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)
    ignore = directory / ".gitignore"
    if not ignore.exists() or not ignore.stat().st_size:  # empty: the disk was full when it was created
        ignore.write_text("*\n")


def _check_files(directory: Path) -> None:
    for path in directory.iterdir():
        check_owner(path, "the file")
        if path.is_dir() and not path.is_symlink():
            _check_files(path)
