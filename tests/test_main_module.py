"""The name of a script's jobs: the one under which a worker imports the script, under every launcher."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from taskq.main_module import home_of, importable_name

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
import multiprocessing
import sys
from taskq import Queue

queue = Queue("redis://localhost:1")

@queue.job
def mail(): ...

def show():
    print(mail.name, flush=True)

if __name__ == "__main__" and sys.argv[1:]:
    child = multiprocessing.get_context(sys.argv[1]).Process(target=show)
    child.start()
    child.join()
else:
    show()
"""


def _globals(name: str | None, *, spec: str | None = None, file: str | None = None) -> dict[str, Any]:
    return {"__name__": name, "__spec__": ModuleSpec(spec, None) if spec else None, "__file__": file}


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        (_globals("shop.jobs", spec="shop.jobs", file="/x/shop/jobs.py"), "shop.jobs"),
        (_globals("__main__", file="/x/jobs.py"), "jobs"),
        (_globals("__main__", file="jobs.pyc"), "jobs"),
        (_globals("__main__", spec="shop.jobs", file="/x/shop/jobs.py"), "shop.jobs"),
        (_globals("__main__", spec="shop.__main__", file="/x/shop/__main__.py"), "shop.__main__"),
        (_globals("__main__", spec="__main__", file="/x/jobs.py"), "jobs"),
        (_globals("__mp_main__", file="/x/jobs.py"), "jobs"),
        (_globals("<run_path>", file="/x/jobs.py"), "jobs"),
        (_globals("__main__", spec="calendar", file="/x/calendar.py"), "calendar"),
        (_globals("__main__", spec="__main__", file="/x/folder/__main__.py"), None),
        (_globals("__main__", spec="asyncio.__main__", file="/lib/asyncio/__main__.py"), None),
        (_globals("__main__", file="/x/my-jobs.py"), None),
        (_globals("__console__"), None),
        (_globals("__main__"), None),
        (_globals("__main__", file="<stdin>"), None),
        (_globals("__main__", file="/bin/tool"), None),
        (_globals("__main__", file="/x/jobs.old.py"), None),
        ({}, None),
    ],
)
def test_a_module_has_the_name_that_a_worker_imports(namespace: dict[str, Any], name: str | None) -> None:
    """Given the globals of modules, scripts and consoles, then each has the name under which a worker imports it, or none."""
    assert importable_name(namespace) == name


def test_a_function_of_a_script_is_found_below_its_decorators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a script that a launcher runs in globals of its own, then its functions are of the script, also with a module's decorator."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules[__name__])  # the launcher
    script: dict[str, Any] = _globals("__main__", file="/x/jobs.py")
    exec("def mail(): ...", script)

    @functools.wraps(script["mail"])
    def wrapper() -> None: ...

    assert (home_of(script["mail"]), home_of(wrapper), home_of(len)) == ("jobs", "jobs", "builtins")


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (["-m", "pack.shop", "spawn"], ["pack.shop:mail"]),
        (["-m", "cProfile", "-o", os.devnull, "shop.py"], ["shop:mail"]),
        (["-c", "import runpy; runpy.run_path('shop.py'); exec(open('shop.py').read())"], ["shop:mail", "__main__:mail"]),
        (["-m", "asyncio"], ["__main__:mail"]),
    ],
    ids=" ".join,
)
def test_a_script_s_jobs_have_one_name_under_every_launcher(tmp_path: Path, command: list[str], names: list[str]) -> None:
    """Given a script below launchers, a child that it spawns, and a console, then its jobs have the name that a worker imports."""
    (tmp_path / "pack").mkdir()
    for path in (tmp_path / "shop.py", tmp_path / "pack" / "shop.py"):
        path.write_text(SCRIPT)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    typed = "exec(open('shop.py').read())\n"
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environ, input=typed, capture_output=True, text=True, timeout=60)
    printed = [line.split()[-1] for line in done.stdout.splitlines() if line.endswith(":mail")]
    assert list(dict.fromkeys(printed)) == names, done.stdout + done.stderr
