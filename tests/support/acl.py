"""ACL users, as the page "ACL users" creates them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.support.servers import ServerProcess

__all__ = ["USERS", "make_user", "rights", "url_of"]

_GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "acl.md"
_PASSWORD = "a-password"

#: Name in the guide → its rights.
USERS: dict[str, tuple[str, ...]] = {
    name: tuple(rules.split()) for name, rules in re.findall(r"^ACL SETUSER (\S+) (.+)$", _GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
}


def rights(name: str, prefix: str) -> tuple[str, ...]:
    """Return the rights of a user of the guide, for the channel with this key prefix."""
    return tuple(right.replace("{queue}", "{" + prefix + "}") for right in USERS[name])


def make_user(server: ServerProcess, name: str, prefix: str, *more: str) -> str:
    """Make a user of the guide on a server, with `more` rights (or fewer: "-zadd"), and return the URL for it."""
    server.admin.execute_command("ACL", "SETUSER", name, "reset", *rights(name, prefix), *more)
    return url_of(server.url, name)


def url_of(url: str, name: str) -> str:
    """Return a URL with a user of the guide in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:{_PASSWORD}@{parts.netloc.rpartition('@')[2]}"))
