"""Check a server's URL, and mask its password.

A password that contains `@`, `/`, `?` or `#` without percent-encoding moves every border in the URL. So the masking hides every
part that may belong to a password, even if that hides a little too much.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from taskq.config.suggestions import did_you_mean
from taskq.errors import ConfigError

__all__ = ["check_url", "mask_url"]

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")

_ALIASES = {"valkey": "redis", "valkeys": "rediss", "sentinel": "redis+sentinel", "cluster": "redis+cluster", "redis+socket": "unix"}
_SECRET_KEY = re.compile(r"pass|secret|token", re.IGNORECASE)
_SECRET_ITEM = re.compile(r"(?:pass\w*|secret|token)\s*=", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_HOST = re.compile(r"(?P<host>\[[\w:.%]+\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL)
_EXAMPLE = "redis://localhost:6379/0"
_EXAMPLES = {"unix": "unix:///run/redis.sock", "sentinel": "{}://host:26379/mymaster/0", "cluster": "{}://host:6379"}
#: Valid query options. redis-py has more, which would change the protocol between taskq and the server.
_OPTIONS = ("client_name", "db", "password", "socket_connect_timeout", "socket_keepalive", "socket_read_size", "socket_timeout", "username")
_SSL_OPTIONS = (
    *("ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_ciphers"),
    *("ssl_exclude_verify_flags", "ssl_include_verify_flags", "ssl_keyfile", "ssl_min_version", "ssl_password", "ssl_validate_ocsp"),
)
_SENTINEL_OPTIONS = ("sentinel_password", "sentinel_username")
#: Options of redis-py in the URLs of other programs.
_CLIENT_OPTIONS = (
    "decode_responses",
    "encoding",
    "encoding_errors",
    "health_check_interval",
    "max_connections",
    "protocol",
    "retry_on_timeout",
)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?"), "a number of seconds"
#: The valid values of some options. redis-py reports others only when it connects, if at all.
_VALUES = {
    "db": (re.compile("[0-9]{1,9}"), "a number such as 0"),
    "socket_connect_timeout": _SECONDS,
    "socket_timeout": _SECONDS,
    "ssl_cert_reqs": (re.compile("none|optional|required"), "none, optional or required"),
    "ssl_min_version": (re.compile("77[12]"), "771 (TLS 1.2) or 772 (TLS 1.3)"),
}
#: The names of Python's constants, which other clients expect.
_CERT_REQS = re.compile(r"(?<=[?&]ssl_cert_reqs=)(?:CERT_)?(none|optional|required)(?=&|$)", re.IGNORECASE)
#: A generated password may contain `<` and `>`, so these must enclose a whole part of the URL.
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}|\$\(\w+\)|\{\{.*?\}\}|(?<![^/:@,=])<[\w -]+>(?![^:@/?,&])")
_ENCODE = "percent-encode '@', '/', '?', '#', ',', '[' and ']' in a user name or password (%40, %2F, %3F, %23, %2C, %5B, %5D)"

_NOT_REPLACED = (
    "it contains a placeholder such as ${NAME} that was not replaced. In a password, percent-encode '$', '<' and '{' (%24, %3C, %7B)"
)


class _Parts(NamedTuple):
    """A URL split into its parts, not decoded. `user` is None without an `@` before the hosts."""

    scheme: str
    user: str | None
    hosts: str
    path: str
    query: str | None


def _split(url: str) -> _Parts | None:
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return None
    address, question, query = rest.partition("?")
    authority, slash, path = address.partition("/")
    user, at, hosts = authority.rpartition("@")
    return _Parts(scheme, user if at else None, hosts, slash + path, query if question else None)


def _items(query: str) -> list[tuple[str, str, str]]:
    return [item.partition("=") for item in query.split("&")]


def _is_unplaceable(parts: _Parts) -> bool:
    """Return True if an `@` is in a place where only an unencoded password could have put it."""
    if "@" in parts.path and (parts.hosts or parts.user is not None):
        return True
    return any("@" in key or ("@" in value and not _SECRET_KEY.search(key)) for key, _, value in _items(parts.query or ""))


def _is_parsable(parts: _Parts) -> bool:
    """Return False for a URL that Python's parser refuses, with a text that shows the password: a bracket in it, or a full-width colon."""
    if parts.user is not None and {"[", "]"} & {*parts.user}:
        return False
    if not f"{parts.user}{parts.hosts}".isascii():
        from urllib.parse import urlsplit

        try:
            urlsplit(f"redis://{parts.user}@{parts.hosts}")
        except ValueError:
            return False
    return True


def mask_url(url: str) -> str:
    """Return `url` with every password replaced by `***`.

    A text that can't be parsed is hidden completely if it contains an `@`.
    """
    parts = _split(url)
    if parts is None:
        return "***" if "@" in url or _SECRET_ITEM.search(url) else url
    if _is_unplaceable(parts):
        return "***"
    user = ""
    if parts.user is not None:
        name, colon, _ = parts.user.partition(":")
        # Without a colon it is a user name to Redis, but usually a password whose colon was forgotten.
        user = f"{name}:***@" if colon else "***@"
    hosts = ",".join(map(_mask_host, parts.hosts.split(",")))
    query = "" if parts.query is None else "?" + "&".join(_mask_item(*item) for item in _items(parts.query))
    return f"{parts.scheme}://{user}{hosts}{parts.path}{query}"


def _mask_host(host: str) -> str:
    # In "redis://:password" the "@host" was forgotten: a port that is not a number is hidden.
    match = _HOST.fullmatch(host)
    if match is None:
        return "***"
    return host if match["port"] is None or _is_number(match["port"]) else f"{match['host']}:***"


def _mask_item(key: str, equals: str, value: str) -> str:
    if not equals:
        return "***" if key else ""
    return f"{key}=***" if _SECRET_KEY.search(key) else f"{key}={value}"


def check_url(url: str) -> str:
    """Return a server's URL without surrounding white space, if it is valid.

    A `+` behind the `?` stays one: redis-py would read a space, and keys in base64 contain it.

    Raises:
        ConfigError: the URL doesn't parse, or its scheme is not supported. The message never contains a password.
    """
    url = _CERT_REQS.sub(lambda match: match[1].lower(), url.strip())
    problem = _problem(url)
    if problem:
        raise ConfigError(f"invalid server URL {mask_url(url)!r}: {problem}")
    address, question, query = url.partition("?")
    return address + question + query.replace("+", "%2B")


def _problem(url: str) -> str | None:
    """Return the problem of a URL, or None if it is valid."""
    if not url:
        return f"it is empty. Example: {_EXAMPLE}"
    if url[0] in "\"'":
        return "it begins with a quote: remove the quotes (`docker run --env-file` keeps them)"
    if _PLACEHOLDER.search(url):
        return _NOT_REPLACED
    parts = _split(url)
    if parts is None:
        return f"the scheme is missing. Example: {_EXAMPLE}"
    if not url.isprintable() or " " in url:
        return "it contains white space or control characters"
    if parts.scheme not in SCHEMES:
        return _scheme_problem(parts.scheme)
    if _is_unplaceable(parts) or "#" in url or parts.user == "" or not _is_parsable(parts):
        return f"the user name or password can't be separated from the address; {_ENCODE}"
    query_problem = _query_problem(parts.scheme, parts.query)
    if query_problem:
        return query_problem
    return _unix_problem(parts) if parts.scheme == "unix" else _hosts_problem(parts) or _path_problem(parts)


def _scheme_problem(scheme: str) -> str:
    alias = _ALIASES.get(scheme.lower())
    return f"unknown scheme {scheme!r}; " + (f'did you mean "{alias}"?' if alias else did_you_mean(scheme, SCHEMES))


def _example(scheme: str) -> str:
    base, _, kind = scheme.partition("+")
    return _EXAMPLES.get(kind or base, "{}://localhost:6379/0").format(scheme)


def _query_problem(scheme: str, query: str | None) -> str | None:
    known = _OPTIONS + (_SSL_OPTIONS if scheme.startswith("rediss") else ()) + (_SENTINEL_OPTIONS if scheme.endswith("sentinel") else ())
    for key, equals, value in _items(query or ""):
        if key and not equals:
            return "each option after the '?' must have the form name=value"
        if key and key not in known:
            if key in _SSL_OPTIONS:
                return f"the option {key} needs TLS: use a URL that begins with rediss"
            if key in _CLIENT_OPTIONS:
                return f"the option {key} is for other programs: remove it; taskq sets it automatically"
            return f"unknown option {key!r}; {did_you_mean(key, known)}"
        if key == "db" and scheme.endswith("cluster") and value != "0":
            return "a Redis Cluster has only database 0: remove the option"
        if key in _VALUES and not _VALUES[key][0].fullmatch(value):
            return f"the option {key} must be {_VALUES[key][1]}"
    if "ssl_keyfile=" in (query or "") and "ssl_certfile=" not in (query or ""):
        return "the option ssl_keyfile needs ssl_certfile"
    return None


def _unix_problem(parts: _Parts) -> str | None:
    if parts.hosts:
        return "a socket path needs three slashes. Example: unix:///run/redis.sock"
    if parts.path in ("", "/"):
        return "the path of the socket is missing. Example: unix:///run/redis.sock"
    return None


def _hosts_problem(parts: _Parts) -> str | None:
    scheme, hosts = parts.scheme, parts.hosts.split(",")
    if len(hosts) > 1 and "+" not in scheme:
        return f"only {scheme}+sentinel:// and {scheme}+cluster:// accept several hosts"
    if any(mark in parts.hosts for mark in "$<{"):  # `$NAME`, `cache-<name>`; a password may contain that
        return _NOT_REPLACED
    for host in hosts:
        match = _HOST.fullmatch(host)
        if match is None or ":" in (match["port"] or ""):
            return f"a host or port doesn't parse. Write an IPv6 address in brackets: {scheme}://[::1]:6379"
        if not match["host"]:
            return f"a host is missing. Example: {_example(scheme)}"
        port = match["port"]
        if port is not None and not (_is_number(port) and 1 <= int(port) <= 65535):
            return "a port must be a number from 1 to 65535"
    return None


def _path_problem(parts: _Parts) -> str | None:
    path = parts.path.strip("/").split("/")
    if parts.scheme.endswith("+sentinel"):
        if not path[0] or _is_number(path[0]):
            return f"the master name is missing after the hosts. Example: {parts.scheme}://host:26379/mymaster/0"
        path = path[1:] or [""]
    if parts.scheme.endswith("+cluster"):
        return None if path in ([""], ["0"]) else f"a Redis Cluster has only database 0. Example: {_example(parts.scheme)}"
    if len(path) > 1:
        return f"only a database number may follow the host. Example: {_example(parts.scheme)}"
    if path[0] and not _is_number(path[0]):
        return f"the database must be a number, such as 0 in {_example(parts.scheme)}"
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
