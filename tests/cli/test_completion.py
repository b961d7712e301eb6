"""completion: the shell asks taskq itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.cli.conftest import Project, Type


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(type_: Type, shell: str) -> None:
    """Given a shell, then its script is printed; another one is refused."""
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    ended = type_("completion", shell)
    assert ended.code == 0
    assert "_TASKQ_COMPLETE" in ended.out
    assert type_("completion", "tcsh").code == 2


@pytest.mark.parametrize(
    ("words", "offered"),
    [("taskq re", "reload"), ("taskq list --st", "--state"), ("taskq list d", "default"), ("taskq list x --state pa", "parked")],
)
def test_the_shell_gets_its_answers(project: Project, words: str, offered: str) -> None:
    """Given what stands on the command line, then commands, options, channels and states are offered."""
    env = {"_TASKQ_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    assert f",{offered}" in project.type(env=env).out


def test_bash_accepts_the_script(type_: Type, project: Project) -> None:
    """Given bash, then it runs the script without a complaint."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script = type_("completion", "bash").out
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
