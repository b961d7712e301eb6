"""The structures: what they promise to the rest of taskq."""

from __future__ import annotations

import pickle

import pytest

from taskq.config import ChannelSettings, Settings, load_settings
from taskq.errors import ConfigError, UnknownChannel
from tests.config.conftest import Project


def test_channel(project: Project) -> None:
    """Given a written channel, its settings are returned; `default` is always written."""
    settings = project.load({"channels": {"bulk": {"processes": 2}}})
    assert settings.channel("bulk").processes == 2
    assert settings.channel("default").channel == "queue"


def test_unknown_channel(project: Project) -> None:
    """Given a name that is not written, the error has the nearest, or else all names."""
    settings = project.load({"channels": {"bulk": {}}})
    with pytest.raises(UnknownChannel) as near:
        settings.channel("bulc")
    assert str(near.value) == 'unknown channel "bulc" in the settings; did you mean "bulk"? (define a new channel as [channels.bulc])'
    with pytest.raises(UnknownChannel, match=r'unknown channel "x" in the settings; valid are: bulk, default \('):
        settings.channel("x")


def test_channel_or_default(project: Project) -> None:
    """Given a name that is not written, it has the defaults with its name as prefix."""
    settings = project.load({"channels": {"bulk": {"processes": 2}}})
    assert settings.channel_or_default("mail") == ChannelSettings(name="mail", channel="mail")
    assert settings.channel_or_default("bulk").processes == 2


def test_channel_or_default_keeps_prefixes_apart(project: Project) -> None:
    """Given a name that is the prefix of a written channel, it is refused: the two would share their keys."""
    settings = project.load({"channels": {"bulk": {"channel": "mail"}}})
    with pytest.raises(ConfigError) as caught:
        settings.channel_or_default("queue")
    assert str(caught.value) == (
        'channel "queue" would share the key prefix "queue" with channel "default"; '
        'write [channels.queue] with another prefix, as in channel = "queue-jobs"'
    )
    with pytest.raises(ConfigError, match='key prefix "mail" with channel "bulk"'):
        settings.channel_or_default("mail")
    with pytest.raises(ConfigError, match="'a b' can't name a channel"):
        settings.channel_or_default("a b")


def test_made_by_hand() -> None:
    """Given settings that are made without a file, `default` is there anyway."""
    assert list(Settings().channels) == ["default"]
    assert set(Settings(channels={"bulk": ChannelSettings(name="bulk")}).channels) == {"default", "bulk"}


def test_frozen(project: Project) -> None:
    """Given loaded settings, nothing in them can be changed."""
    given = {"bulk": {"processes": 2}}
    settings = project.load({"channels": given})
    given["bulk"]["processes"] = 3
    assert settings.channel("bulk").processes == 2
    with pytest.raises(AttributeError):
        settings.url = "redis://h"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        settings.channel("bulk").processes = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.channels["x"] = ChannelSettings(name="x")  # type: ignore[index]
    with pytest.raises(TypeError):
        settings.origins["url"] = "x"  # type: ignore[index]


def test_nothing_secret_in_texts(project: Project) -> None:
    """Given a secret and a password, no text of the settings shows them."""
    settings = project.load({"secret": "hunter2 hunter3", "url": "redis://:hunter4@h"})
    texts = [repr(settings), str(settings), f"{settings}", str(list(settings.__rich_repr__())), repr(settings.origins)]
    assert not any("hunter" in text for text in texts)
    assert "secrets=<2 hidden>" in repr(settings)
    assert "redis://:***@h" in repr(settings)


def test_rich_shows_nothing_secret(project: Project) -> None:
    """Given settings that rich prints, as in a traceback with locals, no secret shows."""
    from rich.pretty import pretty_repr

    assert "hunter" not in pretty_repr(project.load({"secret": "hunter2", "url": "redis://:hunter4@h"}), max_width=20)


def test_pickled(project: Project) -> None:
    """Given settings that go to a child process, they arrive equal and still frozen."""
    settings = project.load({"secret": "a", "channels": {"bulk": {"retry_seconds": [1, 2]}}})
    copy = pickle.loads(pickle.dumps(settings))
    assert copy == settings
    with pytest.raises(TypeError):
        copy.channels["x"] = 1


def test_loading_twice(project: Project) -> None:
    """Given the same sources, loading twice gives equal settings."""
    assert load_settings(environ={}) == load_settings(environ={})


@pytest.mark.parametrize(("written", "delays"), [(5, (5.0,)), (0.5, (0.5,)), ([1, 5], (1.0, 5.0))])
def test_retry_delays_are_a_tuple_however_they_are_written(project: Project, written: object, delays: tuple[float, ...]) -> None:
    """Given a number, a list or a text, then the settings show it as it was written, and workers get a tuple of seconds."""
    assert project.load({"channels": {"default": {"retry_seconds": written}}}).channel("default").retry_delays == delays


@pytest.mark.one_python
def test_the_settings_of_a_pattern_apply_to_channels_that_match() -> None:
    """Given patterns and a channel, then an exact name wins, and then the longest pattern; the name is the key prefix."""
    table = {"tenant-*": {"processes": 2}, "tenant-eu-*": {"processes": 3}, "tenant-vip": {"processes": 4}, "mail": {"channel": "tenant-9"}}
    settings = load_settings({"channels": table}, environ={})
    names = {"tenant-1": 2, "tenant-eu-1": 3, "tenant-vip": 4}
    assert {name: settings.channel(name).processes for name in names} == names
    assert (settings.channel("tenant-1").name, settings.channel("tenant-1").channel) == ("tenant-1", "tenant-1")
    assert sorted(settings.channels) == ["default", "mail", "tenant-vip"]
    assert [settings.pattern_of(name) for name in ("tenant-eu-1", "tenant-vip", "other")] == ["tenant-eu-*", None, None]
    assert settings.origins["channels.tenant-*.processes"] == "Queue(...) argument"
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(ConfigError, match='would share the key prefix "tenant-9" with channel "mail"'):
        settings.channel("tenant-9")
    with pytest.raises(UnknownChannel):
        settings.channel("tennant-1")


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"*": {}}, "channels.*: '*' can't be a pattern of channels: use a channel name with a * for any characters, such as tenant-*"),
        ({"a b*": {}}, "channels.a b*: 'a b*' can't be a pattern"),
        (
            {"a*": {"channel": "b"}},
            "channels.a*.channel: a pattern can't set channel: each channel that it matches has its name as key prefix",
        ),
        (
            {"a*": {"driver": "x:Y"}},
            "channels.a*.driver: a pattern can't set driver: workers find such channels only with the driver redis",
        ),
    ],
)
def test_an_invalid_pattern_is_refused(table: dict[str, dict[str, object]], problem: str) -> None:
    """Given a pattern that matches everything, an invalid one, or a setting that it can't have, then the error has the reason."""
    with pytest.raises(ConfigError) as caught:
        load_settings({"channels": table}, environ={})
    assert str(caught.value).startswith(f"Queue(...) argument: {problem}")
