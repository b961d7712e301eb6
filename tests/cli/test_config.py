"""config: every value and its source, and no secret."""

from __future__ import annotations

from typing import Any

from taskq.config import field_docs
from tests.cli.conftest import Project, Type


def as_mapping(document: list[dict[str, Any]]) -> dict[str, tuple[Any, str]]:
    return {line["setting"]: (line["value"], line["origin"]) for line in document}


def test_every_value_and_its_source(project: Project) -> None:
    """Given values of several sources, then each is shown with the source it comes from."""
    env = {"TASKQ_CHANNELS__DEFAULT__PROCESSES": "3"}
    reported = as_mapping(project.type("config", "--json", env=env).json())
    assert reported["channels.default.processes"] == (3, "TASKQ_CHANNELS__DEFAULT__PROCESSES (environment)")
    assert reported[f"channels.{project.channel}.retry_seconds"][0] == 0.01
    assert reported["app"] == (f"{project.name}:queue", "taskq.toml")
    assert reported["channels.default.lease"] == (15.0, "default")
    fields = {doc.key for doc in field_docs()}
    assert {name.split(".")[-1] for name in reported} == fields
    lines = project.type("config", env=env).out.splitlines()
    assert len(lines) == len(reported) + 1
    assert next(line for line in lines if line.startswith("channels.default.failed_ttl")).split()[1] == "2592000"


def test_the_command_line_is_a_source(type_: Type) -> None:
    """Given --url, then its value is shown without the password, and where it comes from."""
    reported = as_mapping(type_("config", "--json", "--url", "redis://me:geheim@h:1/0").json())
    assert reported["url"] == ("redis://me:***@h:1/0", "command line")


def test_no_secret_is_shown(project: Project) -> None:
    """Given secrets and a password in the URL, then neither is printed."""
    env = {"TASKQ_SECRET": "geheim,auchgeheim"}
    for args in (["config"], ["config", "--json"]):
        ended = project.type(*args, "--url", "redis://:geheim@h/0", env=env)
        assert ended.code == 0
        assert "geheim" not in ended.out + ended.err
        assert "(2 hidden)" in ended.out


def test_channels_that_only_jobs_name_are_shown(project: Project) -> None:
    """Given a job whose channel is not written in the settings, then its defaults are shown."""
    with (project.directory / f"{project.name}.py").open("a") as module:
        module.write("\n@queue.job(channel='unwritten')\ndef other(): ...\n")
    reported = as_mapping(project.type("config", "--json").json())
    assert reported["channels.unwritten.channel"] == ("unwritten", "default")
