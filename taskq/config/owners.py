"""The owners of files and processes that taskq trusts: this user, root, and those that the environment names.

A settings file decides which server a program uses, and the results and messages of a server may be pickles. So either could run
another user's code.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

from taskq.errors import ConfigError

__all__ = ["OWNERS_VARIABLE", "is_trusted", "owner_text"]

OWNERS_VARIABLE = "TASKQ_TRUSTED_OWNERS"
_ROOT = 0


def is_trusted(uid: int, environ: Mapping[str, str] | None = None) -> bool:
    """Return True if taskq may use what this user owns.

    Raises:
        ConfigError: TASKQ_TRUSTED_OWNERS names an unknown user.
    """
    if uid in (_ROOT, os.geteuid()):
        return True
    named = (os.environ if environ is None else environ).get(OWNERS_VARIABLE, "").replace(",", " ").split()
    return any(word == "*" or _uid_of(word) == uid for word in named)


def owner_text(uid: int) -> str:
    """Return the name and the number of a user, for an error."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _uid_of(word: str) -> int:
    if word.isascii() and word.isdigit():
        return int(word)
    try:
        return pwd.getpwnam(word).pw_uid
    except KeyError:
        raise ConfigError(f"environment: {OWNERS_VARIABLE}: unknown user {word!r}; expected names, uids, or * for all users") from None
