"""Every command on a Cluster of three nodes, with channels that lie on all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskq.channel import Keys
from tests.cli.conftest import Project, Type
from tests.support.groups import Cluster

APP = """
import taskq

queue = taskq.Queue()
"""
JOB = """
@queue.job(name="{name}.run", channel="{name}", max_attempts=1)
def run_{name}(text):
    if text == "fail":
        raise ValueError(text)
"""


@pytest.fixture
def names(cluster: Cluster, prefix: str) -> list[str]:
    """Three channels, each on a node of its own."""
    found: dict[int, str] = {}
    for name in (f"{prefix}_{number}" for number in range(100)):
        found.setdefault(cluster.owner(Keys(name).waiting).port, name)
    assert len(found) == 3
    return list(found.values())


@pytest.fixture
def project(tmp_path: Path, cluster: Cluster, names: list[str]) -> Project:
    """A project with a job in each of them."""
    app = f"jobs_{names[0]}"
    tmp_path.joinpath("taskq.toml").write_text(f'app = "{app}:queue"\nurl = "{cluster.url}"\n')
    tmp_path.joinpath(f"{app}.py").write_text(APP + "".join(JOB.format(name=name) for name in names))
    return Project(tmp_path, app, names[0])


def _counts(type_: Type, state: str) -> dict[str, int]:
    reports = type_("info", "--json").json()
    return {report["channel"]: report["counts"][state] for report in reports if report["channel"] != "default"}


def test_every_command_works_and_channels_spread_over_the_nodes(project: Project, type_: Type, cluster: Cluster, names: list[str]) -> None:
    """Given channels on three nodes, when each command is typed, then it does what it does on one server."""
    for name in names:
        for text in ("ok", "fail", "later"):
            delay = ["--delay", "600"] if text == "later" else []
            ended = type_("push", f"{name}.run", f'"{text}"', *delay)
            assert ended.code == 0, ended.err
    assert [node.admin.dbsize() for node in cluster.nodes] == [3, 3, 3]  # waiting, delayed, and the token that wakes
    assert _counts(type_, "waiting") == dict.fromkeys(names, 2)

    worked = project.type("worker", "--burst")
    assert worked.code == 1, worked.err  # a job failed
    assert _counts(type_, "failed") == _counts(type_, "delayed") == dict.fromkeys(names, 1)
    for name in names:
        (entry,) = type_("list", name, "--json").json()
        shown = type_("show", entry["id"])
        assert "ValueError: fail" in shown.out, shown.err
        assert type_("reload", name).code == 0
        assert type_("delete", entry["id"]).code == 0
        assert type_("flush", name, "--state", "delayed", "--yes").code == 0
    assert _counts(type_, "delayed") == _counts(type_, "waiting") == dict.fromkeys(names, 0)

    assert type_("config").code == 0
    examined = type_("doctor", "--json")
    assert "CROSSSLOT" not in examined.out + examined.err
    assert examined.json()
