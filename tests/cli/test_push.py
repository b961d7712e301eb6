"""push: a call from the shell."""

from __future__ import annotations

import pytest

from taskq import Queue
from taskq.channel import State
from taskq.inspector import Inspector
from tests.cli.conftest import Project, Type


def test_push_prints_the_id(queue: Queue, type_: Type, project: Project) -> None:
    """Given a job's full or short name and arguments as JSON, then the call is stored and its id is all that is printed."""
    for name in (f"{project.name}:boom", "boom"):
        ended = type_("push", name, '"a b"')
        assert ended.code == 0
        entry = Inspector(queue).find(ended.out.strip())
        assert entry is not None
        assert (entry.job, entry.args, entry.state) == (f"{project.name}:boom", ("a b",), State.WAITING)


def test_push_with_everything(queue: Queue, type_: Type, project: Project) -> None:
    """Given negative and named arguments, a delay and a channel, then all of them count."""
    args = (
        "-5",
        "--kwargs",
        '{"b": [1, {"x": null}]}',
        "--delay",
        "90.5",
        "--channel",
        "default",
        "--header",
        "tenant=a=b",
        "--header",
        "n=",
    )
    ended = type_("push", f"{project.name}:add", *args)
    assert ended.code == 0, ended.err
    entry = Inspector(queue).find(ended.out.strip())
    assert entry is not None
    assert (entry.args, entry.kwargs, entry.channel) == ((-5,), {"b": [1, {"x": None}]}, "default")
    assert entry.headers == {"tenant": "a=b", "n": ""}
    shown = type_("show", entry.id)
    assert "headers:     tenant='a=b', n=''\n" in shown.out
    assert type_("show", entry.id, "--json").json()["headers"] == {"tenant": "a=b", "n": ""}
    assert entry.due == pytest.approx(90.5, abs=10)


@pytest.mark.parametrize(
    ("args", "reported"),
    [
        (["boom", "hello"], """'"hello"'"""),
        (["boom", '"hello'], """: '"hello"'\n"""),
        (["boom", "'hello'"], """: '"hello"'\n"""),
        (["boom", "True"], "Write true, without quotes"),
        (["boom", "text=hi"], """--kwargs '{"text":"hi"}'"""),
        (["boom", "text=5"], """--kwargs '{"text":5}'"""),
        (["boom", "1", "--dely", "3"], 'push has no option --dely; did you mean "--delay"?'),
        (["boom", "1", "--dely=3"], 'did you mean "--delay"?'),
        (["boom", "1", "-d", "3"], "push has no option -d"),
        (["boom", "--text", "hi"], """--kwargs '{"subject": "hi"}'"""),
        (["boom", '"x"', "--kwargs", "[1]"], "JSON object"),
        (["boom", '"x"', "--kwargs", "x"], """not valid JSON: JSON is malformed: invalid character (byte 0). It must be an object"""),
        (["boom", "--kwargs", '{"txt": "x"}'], """It has no parameter 'txt'; did you mean "text"?"""),
        (["boom", '"x"', "--delay", "nan"], "not a duration"),
        (["boom", '"x"', "--delay", "-1"], "negative"),
        (["boom", '"x"', "--delay", "soon"], "not a duration: use d, h, m, s or ms, as in 30s, 5m, 1h30m or 500ms"),
        (["boom", '"x"', "--channel", "nosuch"], "nosuch"),
        (["boom", '"x"', "--header", "tenant"], "--header must be NAME=VALUE, such as --header tenant=acme; got tenant"),
        (["boom", '"x"', "--header", "=acme"], "the name of a header must be a non-empty string"),
        (["boom"], "text"),
        (["boom", "1", "2"], "too many"),
        (["bom", "1"], 'did you mean "boom"'),
        (["add", "1"], "several jobs"),
        (["taskq:call", "1"], "unknown job"),
        (["late.jobs:send", "1"], ". If late.jobs has it, add that module to the setting `imports`"),
        (["boom", "1", "--countdown", "3"], "push has no option --countdown; write --delay"),
    ],
)
def test_a_wrong_push_stores_nothing(queue: Queue, type_: Type, project: Project, args: list[str], reported: str) -> None:
    """Given a mistake, then exit code 2, a text that says what to do, and nothing is stored."""
    ended = type_("push", *args)
    assert (ended.code, ended.out) == (2, "")
    assert reported in ended.err
    assert "Traceback" not in ended.err
    inspector = Inspector(queue)
    assert sum(inspector.counts(name).total for name in (project.channel, "default")) == 0


@pytest.mark.one_python
def test_a_near_name_in_a_module_that_was_not_imported(queue: Queue, type_: Type, project: Project) -> None:
    """Given a job's name with another module, then both remedies are named, each in its own sentence."""
    ended = type_("push", f"{project.name}s:boom", "1")
    assert f'did you mean "{project.name}:boom"? If {project.name}s has it, add that module' in ended.err


@pytest.mark.one_python
def test_the_hook_that_refused_a_push_is_named(project: Project) -> None:
    """Given a push hook that raises, then the error names it, and doesn't blame taskq."""
    hooks = "\n@queue.pushing\ndef refuse(push):\n    raise LookupError('no tenant')\n"
    module = project.directory / f"{project.name}.py"
    module.write_text(module.read_text() + hooks)
    ended = project.type("push", "boom", "1")
    assert (ended.code, ended.out) == (2, "")
    assert (
        ended.err.removeprefix("imported\n")
        == f"Error: LookupError: no tenant\ntaskq: raised by the @queue.pushing hook {project.name}.refuse\n"
    )


def test_push_needs_an_app(type_: Type, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no app anywhere, then push says how to name one."""
    settings = project.directory / "taskq.toml"
    settings.write_text(settings.read_text().split("\n", 1)[1])
    ended = type_("push", "boom", "1")
    assert ended.code == 2
    assert "--app" in ended.err
    assert f"Found here: {project.name}:queue" in ended.err
