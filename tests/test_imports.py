"""What importing taskq loads, and that its front door, which imports late, leads to everything."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import taskq
from tests.support.worker import clean_environment

#: Slow to import, and needed only by some: by who sends, who works, who shows, or who writes async code.
SLOW = ("asyncio", "click", "cloudpickle", "hashlib", "logging", "multiprocess", "redis", "rich", "ssl", "subprocess")


def _loaded_by(code: str) -> list[str]:
    script = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], env=clean_environment(), capture_output=True, text=True, check=True)
    return done.stdout.split()


DEFINES_JOBS = "import taskq; queue = taskq.Queue(); queue.job(lambda: None, name='nothing', channel='bulk')"


@pytest.mark.parametrize("code", ["import taskq", "from taskq import *", DEFINES_JOBS])
def test_nothing_slow_is_loaded_before_it_is_needed(code: str) -> None:
    """Given a program that defines jobs and does nothing yet, then what only pushing, working or showing needs isn't loaded."""
    loaded = _loaded_by(code)
    assert "taskq" in loaded
    assert [name for name in SLOW if name in loaded] == []


def test_the_front_door_alone_loads_nothing_of_the_house() -> None:
    """Given `import taskq` and no name of it, then none of its files is loaded."""
    assert [name for name in _loaded_by("import taskq") if name.startswith("taskq.")] == []


def test_every_public_name_is_where_type_checkers_find_it() -> None:
    """Given the imports that type checkers read, then they are the public names, and each is what the front door gives."""
    tree = ast.parse(Path(taskq.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {name.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert sorted(homes) == sorted(taskq.__all__)
    for name, home in homes.items():
        wanted = importlib.import_module(f"taskq.{name}") if home == "taskq" else getattr(importlib.import_module(str(home)), name)
        assert getattr(taskq, name) is wanted
    assert set(taskq.__all__) <= set(dir(taskq))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """Given a misspelled name, then Python raises the usual errors, and so does `from taskq import`."""
    with pytest.raises(AttributeError, match="module 'taskq' has no attribute 'Qeue'"):
        taskq.Qeue  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Qeue'"):
        exec("from taskq import Qeue")
