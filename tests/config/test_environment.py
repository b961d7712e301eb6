"""The TASKQ_* variables."""

from __future__ import annotations

import pytest

from tests.config.conftest import Project

LEASE = 'expected a duration in seconds such as 30, "5m" or "1h30m", from 1 to ten years'
FORMS = "not a duration: use d, h, m, s or ms, as in 30s, 5m, 1h30m or 500ms, or a number of seconds"


def test_every_top_setting(project: Project) -> None:
    """Given all variables that belong to no channel, each is read."""
    settings = project.load(
        TASKQ_APP="shop.jobs",
        TASKQ_URL=" redis://h ",
        TASKQ_SECRET="one",
        TASKQ_SERIALIZER="msgpack",
        TASKQ_MAX_MESSAGE_SIZE="1GB",
    )
    assert (settings.app, settings.url, settings.secrets) == ("shop.jobs", "redis://h", ("one",))
    assert (settings.serializer, settings.max_message_size) == ("msgpack", 10**9)
    assert settings.origins["secret"] == "TASKQ_SECRET (environment)"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("retry_seconds", "5", 5.0),
        ("retry_seconds", "0.5", 0.5),
        ("retry_seconds", "1,5,30", (1.0, 5.0, 30.0)),
        ("retry_seconds", " 1, 5 ", (1.0, 5.0)),
        ("retry_seconds", "[1, 5.5]", (1.0, 5.5)),
        ("processes", "4", 4),
        ("handle_timeout", "1.5", 1.5),
        ("max_memory", "512MiB", 512 * 2**20),
        ("max_memory", "0", 0),
        ("on_lost", "timeout", "timeout"),
        ("driver", "shop.store:Driver", "shop.store:Driver"),
        ("channel", "5", "5"),
    ],
)
def test_channel_settings(project: Project, key: str, text: str, value: object) -> None:
    """Given a channel's setting as text, it becomes the value of its type."""
    settings = project.load(**{f"TASKQ_CHANNELS__DEFAULT__{key.upper()}": text})
    assert getattr(settings.channel("default"), key) == value


@pytest.mark.parametrize(
    ("variable", "name"), [("BULK_MAIL", "Bulk-Mail"), ("bulk_mail", "Bulk-Mail"), ("A_B_C", "a.b-c"), ("OTHER", "other")]
)
def test_channel_names(project: Project, variable: str, name: str) -> None:
    """Given a channel's name as a variable can hold it, the written channel is meant, or else the name in lower case."""
    project.write('[channels.Bulk-Mail]\n[channels."a.b-c"]\n')
    settings = project.load(**{f"TASKQ_CHANNELS__{variable}__PROCESSES": "7"})
    assert settings.channel(name).processes == 7
    assert set(settings.channels) == {"default", "Bulk-Mail", "a.b-c", name}


def test_a_name_with_two_underscores(project: Project) -> None:
    """Given a channel whose name holds the separator, its last one divides."""
    assert project.load(TASKQ_CHANNELS__A__B__PROCESSES="2").channel("a__b").processes == 2


def test_a_channel_of_the_arguments(project: Project) -> None:
    """Given a channel that only the arguments write, a variable can mean it."""
    assert project.load({"channels": {"Big-One": {}}}, TASKQ_CHANNELS__BIG_ONE__PROCESSES="2").channel("Big-One").processes == 2


def test_an_ambiguous_name(project: Project) -> None:
    """Given two channels that a variable may mean, the error names both."""
    project.write('[channels.a-b]\n[channels."a.b"]\n')
    assert project.error(TASKQ_CHANNELS__A_B__PROCESSES="2") == (
        "environment: TASKQ_CHANNELS__A_B__PROCESSES matches several channels, a-b, a.b; set it in a file instead"
    )


def test_two_variables_for_one_setting(project: Project) -> None:
    """Given two spellings of one setting, the error names both: neither is the right one by itself."""
    assert project.error(TASKQ_CHANNELS__BULK__LEASE="2", TASKQ_CHANNELS__bulk__LEASE="3") == (
        "environment: TASKQ_CHANNELS__BULK__LEASE and TASKQ_CHANNELS__bulk__LEASE set the same setting; unset one"
    )


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("TASKQ_ULR", 'unknown variable TASKQ_ULR; did you mean "TASKQ_URL"?'),
        ("TASKQ_SECRETS", 'unknown variable TASKQ_SECRETS; did you mean "TASKQ_SECRET"?'),
        ("TASKQ_LOGLEVEL", 'unknown variable TASKQ_LOGLEVEL; did you mean "TASKQ_LOG_LEVEL"?'),
        ("TASKQ_DIRECTORY", "unknown variable TASKQ_DIRECTORY; valid are: TASKQ_APP, TASKQ_DEBUG, TASKQ_IMPORTS, TASKQ_KEEP_LOGGING, "),
        ("TASKQ_url", 'unknown variable TASKQ_url; did you mean "TASKQ_URL"?'),
        (
            "TASKQ_PROCESSES",
            "unknown variable TASKQ_PROCESSES; it is a channel setting; did you mean TASKQ_CHANNELS__DEFAULT__PROCESSES?",
        ),
        (
            "TASKQ_CHANNEL__BULK__LEASE",
            "unknown variable TASKQ_CHANNEL__BULK__LEASE; the form of channel settings is TASKQ_CHANNELS__<NAME>__<KEY>, as in ",
        ),
        ("TASKQ_CHANNELS", "unknown variable TASKQ_CHANNELS; the form of channel settings is TASKQ_CHANNELS__<NAME>__<KEY>, as in "),
        (
            "TASKQ_CHANNELS__BULK",
            "unknown variable TASKQ_CHANNELS__BULK; the form of channel settings is TASKQ_CHANNELS__<NAME>__<KEY>, as in ",
        ),
        (
            "TASKQ_CHANNELS____LEASE",
            "unknown variable TASKQ_CHANNELS____LEASE; the form of channel settings is TASKQ_CHANNELS__<NAME>__<KEY>, as in ",
        ),
        ("TASKQ_CHANNELS__BULK__LEESE", 'TASKQ_CHANNELS__BULK__LEESE: unknown key "LEESE"; did you mean "LEASE"?'),
        ("TASKQ_CHANNELS__BULK__NAME", 'TASKQ_CHANNELS__BULK__NAME: unknown key "NAME"; valid are: CHANNEL, CONCURRENCY, '),
        ("TASKQ_CHANNELS__A B__LEASE", "TASKQ_CHANNELS__A B__LEASE: 'a b' can't name a channel: use 1 to 64 letters"),
    ],
)
def test_unknown_variables(project: Project, variable: str, problem: str) -> None:
    """Given a TASKQ_* variable that is no setting, the error names it and what was meant, and not its value."""
    text = project.error(**{variable: "hunter2"})
    assert text.startswith(f"environment: {problem}")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "variable", ["TASKQ_LOG_LEVEL", "TASKQ_LOG_FORMAT", "TASKQ_DEBUG", "TASKQ_TRUSTED_OWNERS", "_TASKQ_COMPLETE", "TASKQUEUE_URL", "PATH"]
)
def test_variables_of_others(project: Project, variable: str) -> None:
    """Given a variable that is not ours, it is passed over."""
    assert set(project.load(**{variable: "x"}).origins.values()) == {"default"}


@pytest.mark.parametrize(
    "variable",
    [
        "TASKQ_PORT",
        "TASKQ_SERVICE_HOST",
        "TASKQ_SERVICE_PORT",
        "TASKQ_SERVICE_PORT_HTTP",
        "TASKQ_PORT_6379_TCP",
        "TASKQ_PORT_6379_TCP_ADDR",
        "TASKQ_REDIS_SERVICE_HOST",
        "TASKQ_REDIS_PORT_6379_TCP_PROTO",
    ],
)
def test_service_links(project: Project, variable: str) -> None:
    """Given the variables that Kubernetes makes of a service named taskq, they are passed over."""
    assert set(project.load(**{variable: "tcp://10.0.0.1:6379"}).origins.values()) == {"default"}


def test_a_service_link_is_no_channel(project: Project) -> None:
    """Given a mistyped setting of a channel that looks like such a variable, it is an error."""
    assert 'unknown key "PORT"' in project.error(TASKQ_CHANNELS__BULK__PORT="5")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        (
            "TASKQ_APP",
            "",
            'expected a module or a queue in a module, such as "shop.jobs" or "shop.jobs:queue"; got "": the variable is empty',
        ),
        ("TASKQ_URL", "", "expected the URL of a server, such as redis://localhost:6379/0; the variable is empty"),
        ("TASKQ_SECRET", "", "expected one or more secrets, separated by commas or white space; the variable is empty"),
        ("TASKQ_SECRET", " , ", "expected one or more secrets, separated by commas or white space; the value is empty"),
        ("TASKQ_SERIALIZER", "xml", 'expected one of "pickle", "json", "msgpack"; got "xml"'),
        ("TASKQ_CHANNELS__BULK__PROCESSES", "many", 'expected an integer, at least 1; got "many"'),
        ("TASKQ_CHANNELS__BULK__PROCESSES", "1.5", 'expected an integer, at least 1; got "1.5"'),
        ("TASKQ_CHANNELS__BULK__PROCESSES", "true", 'expected an integer, at least 1; got "true"'),
        ("TASKQ_CHANNELS__BULK__LEASE", "nan", f'{LEASE}; got "nan": {FORMS}'),
        ("TASKQ_CHANNELS__BULK__LEASE", "inf", f'{LEASE}; got "inf": {FORMS}'),
    ],
)
def test_wrong_values(project: Project, variable: str, value: str, problem: str) -> None:
    """Given a value that a setting doesn't take, the error names the variable, what was expected, and what it got."""
    assert project.error(**{variable: value}) == f"environment: {variable}: {problem}"


@pytest.mark.parametrize("value", ["", "x", "1,x", "1,,2", "-1", "1,-1", "nan", "1,inf", "[]", "[1", "[true]", '["x"]', "{}", "4e8"])
def test_wrong_intervals(project: Project, value: str) -> None:
    """Given a text that is not a list of delays, the error describes a valid one."""
    text = project.error(TASKQ_CHANNELS__BULK__RETRY_SECONDS=value)
    assert text.startswith(
        "environment: TASKQ_CHANNELS__BULK__RETRY_SECONDS: "
        f'expected a duration in seconds such as 5 or "5m", from 0 to ten years, or a non-empty list of such; got "{value}"'
    )


def test_a_newline_behind_a_value_is_not_part_of_it(project: Project) -> None:
    """Given a secret and a URL that a script read from files, with the newline at their ends, then both work without it."""
    settings = project.load(TASKQ_SECRET="hunter2\n", TASKQ_URL="redis://localhost:6379/0\r\n")
    assert (settings.secrets, settings.url) == (("hunter2",), "redis://localhost:6379/0")


@pytest.mark.parametrize("text", ["a,b,c", "a b c", " a,\tb,\n c ", "a, b c,"])
def test_several_secrets(project: Project, text: str) -> None:
    """Given several secrets, they come in their order: the first signs."""
    assert project.load(TASKQ_SECRET=text).secrets == ("a", "b", "c")
