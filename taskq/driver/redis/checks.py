"""Checks of the server at startup: its version, the permissions of the user, and the types of the channel's keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from taskq.driver.contract import Command, Driver, Link
from taskq.errors import QueueFull, ServerRefused, ServerTooOld

__all__ = [
    "REMEDY",
    "VERSION",
    "WrongKey",
    "ask_eviction",
    "ask_unfenced",
    "check_kinds",
    "check_permissions",
    "check_server",
    "read_version",
    "wrong_keys",
]

REMEDY = "another program uses this key: rename it, or set a different key prefix for the channel"


class WrongKey(NamedTuple):
    """A key of a wrong type."""

    key: str
    #: "" if this user may not ask.
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"the key {self.key} must be a {self.wanted}; it is {f'a {self.found}' if self.found else 'something else'}"


def wrong_keys(call: Callable[[Command], Any], driver: Driver) -> list[WrongKey]:
    """Return the keys of a channel that have a wrong type.

    Raises:
        ServerUnavailable, ServerRefused: the check failed.
    """
    words = [word.decode(errors="replace") for word in call(driver.kinds())]
    return [WrongKey(*words[start : start + 3]) for start in range(0, len(words), 3)]


def check_kinds(call: Callable[[Command], Any], driver: Driver, channel: str) -> None:
    """Check that all keys of a channel have the right type.

    Raises:
        ServerRefused: a key has a wrong type; the text contains the channel, the key and the remedy.
        ServerUnavailable: the server is unreachable.
    """
    wrong = wrong_keys(call, driver)
    if wrong:
        raise ServerRefused(f"channel {channel}: {'; '.join(map(str, wrong))}. {REMEDY[0].upper()}{REMEDY[1:]}")


#: Its reply is for `read_version`.
VERSION = Command("version", ("INFO", "server"))


def read_version(reply: bytes, where: str) -> str:
    """Return the name and version of the server, such as "Valkey 9.1.2", from its reply to `VERSION`.

    Raises:
        ServerTooOld: the server is older than Redis 6.2, whose commands the scripts need.
    """
    fields = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    name, version = "Redis", fields.get("redis_version", "0")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < (6, 2):
        raise ServerTooOld(f"the server at {where} is Redis {version}; taskq needs Redis 6.2 or later, or Valkey")
    if "valkey_version" in fields:
        name, version = "Valkey", fields["valkey_version"]
    return f"{name} {version}"


def check_server(link: Link) -> str:
    """Return the name and version of the server, such as "Valkey 9.1.2".

    Raises:
        ServerTooOld: the server is older than Redis 6.2.
        ServerUnavailable, ServerRefused: the server is unreachable, or rejects all commands.
    """
    try:
        reply = link.call(VERSION)
    except ServerRefused as error:
        if _lacks_permission(error):
            return "a server of unknown version"
        raise
    return read_version(reply, link.where)


def _lacks_permission(error: ServerRefused) -> bool:
    return "NOPERM" in str(error) or "no permissions" in str(error)


def ask_eviction(link: Link) -> str:
    """Return the server's eviction policy, such as "allkeys-lru", or "" if it never evicts keys.

    Raises:
        ServerUnavailable: the server is unreachable.
    """
    try:
        reply = link.call(Command("memory", ("INFO", "memory")))
    except ServerRefused:  # this user may not ask
        return ""
    fields = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    policy = fields.get("maxmemory_policy", "noeviction")
    return "" if policy == "noeviction" or fields.get("maxmemory") == "0" else policy


#: What a fenced link sends, about a client that doesn't exist. Without these, a delayed command may be executed after all.
_FENCE = {
    "client|setname": ("CLIENT", "SETNAME", "taskq"),
    "client|list": ("CLIENT", "LIST", "ID", str(2**62)),
    "client|kill": ("CLIENT", "KILL", "ID", str(2**62)),
}


def ask_unfenced(link: Link) -> list[str]:
    """Return the permissions that this user lacks to close a connection which was given up, or the commands that the server doesn't have.

    Raises:
        ServerUnavailable: the server is unreachable.
    """
    missing = []
    for name, words in _FENCE.items():
        try:
            link.call(Command("permissions", words))
        except ServerRefused:
            missing.append(name)
    return missing


def check_permissions(driver: Driver, link: Link) -> None:
    """Check that this user has all permissions that a worker needs.

    Raises:
        ServerRefused: permissions are missing; the text contains the commands.
        ServerUnavailable: the server is unreachable.
    """
    missing = [name.decode().lower() for name in link.call(driver.permissions())]
    for name, command in driver.permission_trials().items():
        try:
            link.call(command)
        except ServerRefused as error:  # an error about its arguments shows that the command is permitted
            if _lacks_permission(error):
                missing.append(name)
        except QueueFull:
            pass
    if missing:
        commands = ", ".join(name.upper() for name in missing)
        grants = " ".join(f"+{name}" for name in missing)
        raise ServerRefused(
            f"the user at {link.where} lacks permissions that a worker needs: {commands}. Grant them: ACL SETUSER <user> {grants}"
        )
