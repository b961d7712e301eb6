"""The settings reference that is made from the structures."""

from __future__ import annotations

import re
import tomllib

import pytest

from taskq.config import ChannelSettings, FieldDoc, field_docs
from tests.config.conftest import Project

DOCS = field_docs()


def doc(section: str, key: str) -> FieldDoc:
    return next(doc for doc in DOCS if (doc.section, doc.key) == (section, key))


def test_every_setting_is_described() -> None:
    """Given the structures, each setting has one line with type, default and help, in their order."""
    assert [d.key for d in DOCS if not d.section] == [
        "app",
        "imports",
        "url",
        "secret",
        "serializer",
        "max_message_size",
        "wait_replicas",
        "max_pattern_channels",
        "directory",
    ]
    assert [d.key for d in DOCS if d.section == "channels.<name>"] == [f for f in ChannelSettings.__struct_fields__ if f != "name"]
    for one in DOCS:
        assert one.type
        assert one.default
        assert re.fullmatch(r"[A-Z].*\.", one.help), one.key


def test_some_lines() -> None:
    """Given a few settings, their lines read as a person would write them."""
    assert doc("channels.<name>", "processes") == FieldDoc(
        "channels.<name>",
        "processes",
        "an integer, at least 1",
        "1",
        "Number of processes of one worker that run the channel's jobs.",
        "TASKQ_CHANNELS__<NAME>__PROCESSES",
    )
    assert doc("", "max_message_size").default == '"64MiB"'
    assert doc("", "serializer").type == 'one of "pickle", "json", "msgpack"'
    assert doc("", "directory").variable == ""
    assert doc("channels.<name>", "failed_ttl").default == "2592000 (30 days)"


@pytest.mark.parametrize("one", DOCS, ids=lambda one: f"{one.section}.{one.key}")
def test_the_reference_shows_the_real_default(project: Project, one: FieldDoc) -> None:
    """Given a default in the reference, writing it into a file changes nothing."""
    try:
        value = tomllib.loads(f"x = {one.default.removesuffix(' (30 days)')}")["x"]
    except tomllib.TOMLDecodeError:
        assert one.key in ("app", "url", "secret", "directory", "channel")
        return
    table = f"[{one.section.replace('<name>', 'default')}]\n" if one.section else ""
    defaults = project.load()
    project.write(f"{table}{one.key} = {one.default.removesuffix(' (30 days)')}\n")
    settings = project.load()
    assert (settings.channels, settings.max_message_size, settings.serializer) == (
        defaults.channels,
        defaults.max_message_size,
        defaults.serializer,
    )
    assert "taskq.toml" in {settings.origins[key] for key in settings.origins if key.endswith(one.key)}, value


@pytest.mark.parametrize("one", [one for one in DOCS if one.variable], ids=lambda one: one.variable)
def test_the_variable_is_known(project: Project, one: FieldDoc) -> None:
    """Given a variable in the reference, the environment takes it for that setting."""
    variable = one.variable.replace("<NAME>", "DEFAULT")
    sample = {
        "app": "shop",
        "imports": "shop.jobs, shop.*.tasks",
        "url": "redis://h",
        "secret": "a",
        "serializer": "json",
        "driver": "redis",
        "channel": "shop",
        "on_lost": "timeout",
        "loop": "uvloop",
    }.get(one.key, "7")
    settings = project.load(**{variable: sample})
    assert f"{variable} (environment)" in settings.origins.values()
