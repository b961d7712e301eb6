"""From the options of a command to the queue of an app."""

from __future__ import annotations

import sys

import pytest

from taskq import Queue
from taskq.inspector import Inspector
from tests.cli.conftest import Project, Type


@pytest.mark.one_python
def test_no_command_that_looks_pushes(project: Project, queue: Queue, type_: Type) -> None:
    """Given an app that pushes at module level, when commands import it, then nothing is pushed, and each shows place and remedy."""
    path = project.directory / f"{project.name}.py"
    path.write_text(f"{path.read_text()}\nadd.push(1)\n")
    place = f"importing {project.name} pushes messages ({path}:{len(path.read_text().splitlines())})"
    codes = {}
    for words in (["info"], ["list", project.channel], ["show", "0" * 32], ["config"], ["doctor"], ["push", "add", "1"]):
        sys.modules.pop(project.name, None)  # left by a command that loaded it
        typed = type_(*words)
        codes[words[0]] = typed.code
        assert place in (typed.out + typed.err).replace("\n", ""), typed
        assert 'put pushes below `if __name__ == "__main__":`' in typed.out + typed.err
    sys.modules.pop(project.name, None)
    assert "-> a worker repeats these pushes at each start" in type_("doctor").out
    # `show` didn't find the message, and doctor reports the server of the tests, too; the others use the settings.
    assert codes == {"info": 0, "list": 0, "show": 1, "config": 0, "doctor": 1, "push": 2}
    assert Inspector(queue).counts(project.channel).waiting == 0
