"""Checking a server's URL, and showing it without its password."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.config import check_url, mask_url
from taskq.config.urls import _OPTIONS
from taskq.errors import ConfigError

_NOT_REPLACED = (
    "it contains a placeholder such as ${NAME} that was not replaced. In a password, percent-encode '$', '<' and '{' (%24, %3C, %7B)"
)
GOOD = [
    "redis://localhost",
    "redis://localhost/",
    "redis://localhost:6379/0",
    "redis://user:pw@localhost:6379/15?db=2&socket_timeout=3",
    "redis://:p%40ss@localhost",
    "redis://user:p@ss@localhost",
    "redis://user:p<a>ss@localhost",
    "redis://[::1]:6379/0",
    "rediss://example.org:1?ssl_cert_reqs=none",
    "unix:///run/redis.sock",
    "unix:///run/redis@1.sock?db=1",
    "unix://:pw@/run/redis.sock",
    "redis+sentinel://h1:26379,h2:26379,[::1]:26379/mymaster/0",
    "rediss+sentinel://u:p@h1,h2/mymaster?sentinel_password=a",
    "redis+cluster://a:1,b:2",
    "rediss+cluster://:pw@a/0",
]


@pytest.mark.parametrize(
    ("url", "read"),
    [
        *((f"rediss://h?ssl_cert_reqs={one}&db=1", "rediss://h?ssl_cert_reqs=none&db=1") for one in ("CERT_NONE", "None", "none")),
        ("rediss://h?db=1&ssl_cert_reqs=CERT_REQUIRED", "rediss://h?db=1&ssl_cert_reqs=required"),
        ("redis://a+b:c+d@h?password=aB+c/d==", "redis://a+b:c+d@h?password=aB%2Bc/d=="),
        ("redis://default:@h", "redis://default:@h"),
        ("redis://:a$b%7Bc%7D@h", "redis://:a$b%7Bc%7D@h"),
    ],
)
def test_urls_for_other_programs(url: str, read: str) -> None:
    """Given a URL as hosting services and other programs write it, then it means the same to taskq."""
    assert check_url(url) == read
    assert check_url(read) == read


@pytest.mark.parametrize("url", GOOD)
def test_good_urls(url: str) -> None:
    """Given a URL of any kind of server, it is returned, without white space around it."""
    assert check_url(url) == url
    assert check_url(f" {url}\n") == url


@pytest.mark.parametrize(
    ("url", "shown", "problem"),
    [
        ("", "", "it is empty. Example: redis://localhost:6379/0"),
        ("localhost:6379", "localhost:6379", "the scheme is missing. Example: redis://localhost:6379/0"),
        ("redis:/localhost", "redis:/localhost", "the scheme is missing. Example: redis://localhost:6379/0"),
        ("u:hunter2@h", "***", "the scheme is missing. Example: redis://localhost:6379/0"),
        ("reddis://h", "reddis://h", "unknown scheme 'reddis'; did you mean \"redis\"?"),
        ("redis+sentinal://h/m", "redis+sentinal://h/m", "unknown scheme 'redis+sentinal'; did you mean \"redis+sentinel\"?"),
        ("valkeys://h", "valkeys://h", "unknown scheme 'valkeys'; did you mean \"rediss\"?"),
        (
            "http://u:hunter2@h",
            "http://u:***@h",
            "unknown scheme 'http'; valid are: redis, redis+cluster, redis+sentinel, rediss, rediss+cluster, rediss+sentinel, unix",
        ),
        ("redis://h h", "redis://h h", "it contains white space or control characters"),
        ("redis:///0", "redis:///0", "a host is missing. Example: redis://localhost:6379/0"),
        ("redis://:hunter2@", "redis://:***@", "a host is missing. Example: redis://localhost:6379/0"),
        ("redis+cluster://a,", "redis+cluster://a,", "a host is missing. Example: redis+cluster://host:6379"),
        ("rediss:///0", "rediss:///0", "a host is missing. Example: rediss://localhost:6379/0"),
        ("redis+cluster://h/3", "redis+cluster://h/3", "a Redis Cluster has only database 0. Example: redis+cluster://host:6379"),
        ("redis+cluster://h?db=3", "redis+cluster://h?db=3", "a Redis Cluster has only database 0: remove the option"),
        ("redis://h?socket_timout=3", "redis://h?socket_timout=3", "unknown option 'socket_timout'; did you mean \"socket_timeout\"?"),
        ("redis://h?ssl_ca_certs=x", "redis://h?ssl_ca_certs=x", "the option ssl_ca_certs needs TLS: use a URL that begins with rediss"),
        (
            "redis://h?protocol=3",
            "redis://h?protocol=3",
            "the option protocol is for other programs: remove it; taskq sets it automatically",
        ),
        ("redis://h?virtual_host=3", "redis://h?virtual_host=3", f"unknown option 'virtual_host'; valid are: {', '.join(_OPTIONS)}"),
        ('"redis://:hunter2@h"', "***", "it begins with a quote: remove the quotes (`docker run --env-file` keeps them)"),
        ("'redis://h'", "'redis://h'", "it begins with a quote: remove the quotes (`docker run --env-file` keeps them)"),
        ("redis://$HOST:1/0", "redis://$HOST:1/0", _NOT_REPLACED),
        ("redis://cache-<zone>:1/0", "redis://cache-<zone>:1/0", _NOT_REPLACED),
        *(
            (f"redis://:{one}@h:1/0", "redis://:***@h:1/0", _NOT_REPLACED)
            for one in ("${PW}", "a${PW:-b}", "$(PW)", "{{ .pw }}", "<password>")
        ),
        ("rediss://h?ssl_cert_reqs=maybe", "rediss://h?ssl_cert_reqs=maybe", "the option ssl_cert_reqs must be none, optional or required"),
        (
            "rediss://h?ssl_min_version=3",
            "rediss://h?ssl_min_version=3",
            "the option ssl_min_version must be 771 (TLS 1.2) or 772 (TLS 1.3)",
        ),
        ("rediss://h?ssl_keyfile=k", "rediss://h?ssl_keyfile=k", "the option ssl_keyfile needs ssl_certfile"),
        ("redis://h?socket_timeout=-1", "redis://h?socket_timeout=-1", "the option socket_timeout must be a number of seconds"),
        ("redis://h:0", "redis://h:0", "a port must be a number from 1 to 65535"),
        ("redis://h:65536", "redis://h:65536", "a port must be a number from 1 to 65535"),
        ("redis://h:", "redis://h:***", "a port must be a number from 1 to 65535"),
        # "@host" was forgotten: the password is in the place of the port.
        ("redis://user:hunter2", "redis://user:***", "a port must be a number from 1 to 65535"),
        ("redis+cluster://a:1,b:x", "redis+cluster://a:1,b:***", "a port must be a number from 1 to 65535"),
        (
            "redis://::1:6379",
            "redis://:***",
            "a host or port doesn't parse. Write an IPv6 address in brackets: redis://[::1]:6379",
        ),
        ("redis://[::1", "redis://***", "a host or port doesn't parse. Write an IPv6 address in brackets: redis://[::1]:6379"),
        ("redis://a,b", "redis://a,b", "only redis+sentinel:// and redis+cluster:// accept several hosts"),
        ("rediss://a,b", "rediss://a,b", "only rediss+sentinel:// and rediss+cluster:// accept several hosts"),
        ("redis://h/jobs", "redis://h/jobs", "the database must be a number, such as 0 in redis://localhost:6379/0"),
        ("redis://h/-1", "redis://h/-1", "the database must be a number, such as 0 in redis://localhost:6379/0"),
        ("redis://h?db=x", "redis://h?db=x", "the option db must be a number such as 0"),
        ("redis://h/0/1", "redis://h/0/1", "only a database number may follow the host. Example: redis://localhost:6379/0"),
        ("redis://h?ssl", "redis://h?***", "each option after the '?' must have the form name=value"),
        ("unix://run/r.sock", "unix://run/r.sock", "a socket path needs three slashes. Example: unix:///run/redis.sock"),
        ("unix://", "unix://", "the path of the socket is missing. Example: unix:///run/redis.sock"),
        (
            "redis+sentinel://h:26379/0",
            "redis+sentinel://h:26379/0",
            "the master name is missing after the hosts. Example: redis+sentinel://host:26379/mymaster/0",
        ),
        (
            "redis+sentinel://h/m/x",
            "redis+sentinel://h/m/x",
            "the database must be a number, such as 0 in redis+sentinel://host:26379/mymaster/0",
        ),
    ],
)
def test_bad_urls(url: str, shown: str, problem: str) -> None:
    """Given an invalid URL, the error names the problem, and shows the URL without its password."""
    with pytest.raises(ConfigError) as caught:
        check_url(url)
    assert str(caught.value) == f"invalid server URL {shown!r}: {problem}"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "redis://:hun/ter2@h:6379/0",
            "redis://:hun?ter2@h/0",
            "redis://:hun#ter2@h",
            "redis://u:123?x=ter2@h",
            "redis://@h",
            "redis://h#x",
        ),
        *("redis://:hun[ter2@h", "redis://:hun]ter2@h:1/0", "redis://:[hun]ter2@[::1]:1/0", "rediss+sentinel://u:hun[ter2@h/m"),
        *("redis://:hun\uff1ater2@h", "redis://:hun\u2100ter2@h"),
    ],
)
def test_borders_that_moved(url: str) -> None:
    """Given a password that is not percent-encoded, the error lists the characters to encode and shows no piece of the password."""
    with pytest.raises(ConfigError) as caught:
        check_url(url)
    advice = "percent-encode '@', '/', '?', '#', ',', '[' and ']' in a user name or password (%40, %2F, %3F, %23, %2C, %5B, %5D)"
    assert advice in str(caught.value)
    assert not any(piece in str(caught.value) for piece in ("hun", "ter2", "123"))


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://user@h", "redis://***@h"),
        ("redis://:hunter2@h:1/2", "redis://:***@h:1/2"),
        ("redis://u:hunter2@h:1/2?x=1", "redis://u:***@h:1/2?x=1"),
        ("redis://u:hun@ter2@h", "redis://u:***@h"),
        ("redis://u:hun:ter2@[::1]:1", "redis://u:***@[::1]:1"),
        ("rediss://h?password=hunter2&db=1", "rediss://h?password=***&db=1"),
        ("rediss://h?PASSWORD=hun@ter#2", "rediss://h?PASSWORD=***"),
        ("redis://h?x=1&ssl_password=hunter2", "redis://h?x=1&ssl_password=***"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("unix:///run/redis@1.sock?db=1&password=hunter2", "unix:///run/redis@1.sock?db=1&password=***"),
        ("unix://:hunter2@/run/x.sock", "unix://:***@/run/x.sock"),
        (
            "redis+sentinel://u:hunter2@h1:1,h2:2,[::1]:3/m/0?sentinel_username=s&sentinel_password=hunter2",
            "redis+sentinel://u:***@h1:1,h2:2,[::1]:3/m/0?sentinel_username=s&sentinel_password=***",
        ),
        ("redis+sentinel://u:hunter2@h1,u:hunter2@h2/m", "redis+sentinel://u:***@h2/m"),
        ("redis://:hun/ter2@h", "***"),
        ("u:hunter2@h", "***"),
        ("u:hunter2@h://x", "***"),
        ("host password=hunter2", "***"),
        ("nothing of a URL", "nothing of a URL"),
        ("", ""),
    ],
)
def test_masks(url: str, masked: str) -> None:
    """Given a URL, each password in it is replaced; what doesn't parse and holds an @ is hidden as a whole."""
    assert mask_url(url) == masked


@given(
    password=st.text(st.characters(codec="ascii"), min_size=0, max_size=12).map(lambda text: f"hunter{text}2secret"),
    scheme=st.sampled_from(["redis", "rediss", "redis+sentinel", "redis+cluster", "unix", "amqp"]),
    user=st.sampled_from(["", "user"]),
    tail=st.sampled_from(["h", "h:6379/0", "h1:1,h2:2/m/0?x=1", "/run/x.sock", "[::1]:1"]),
)
def test_no_password_shows(password: str, scheme: str, user: str, tail: str) -> None:
    """Given any password, encoded or not, neither the mask nor an error shows how it begins or ends."""
    url = f"{scheme}://{user}:{password}@{tail}"
    texts = [mask_url(url)]
    try:
        check_url(url)
    except ConfigError as error:
        texts.append(str(error))
    for text in texts:
        assert "hunter" not in text
        assert "2secret" not in text


@given(
    password=st.text(st.characters(codec="ascii", exclude_characters="&"), max_size=12),
    key=st.sampled_from(["password", "sentinel_password"]),
)
def test_no_password_of_the_query_shows(password: str, key: str) -> None:
    """Given any password as an option of the URL, the mask hides all of it."""
    assert mask_url(f"redis://h:1/0?{key}=hunter{password}2secret&db=1") == f"redis://h:1/0?{key}=***&db=1"


@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    """Given any text at all, it is masked, and checked, without another error than ours."""
    assert isinstance(mask_url(text), str)
    with suppress(ConfigError):
        check_url(text)
