"""Each package begins with a map: one line a module, in reading order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Its map ends with the table of commands; each command is a file that imports from any of the modules on the map.
_COMMANDS = "taskq/cli"
PACKAGES = sorted(path.parent.relative_to(ROOT) for path in (ROOT / "taskq").rglob("__init__.py") if path.parent.name != "taskq")


def _map(package: Path) -> list[str]:
    document = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))) or ""
    return re.findall(r"^ {0,4}(\w+)/?  +\S", document, re.MULTILINE)


def _modules(package: Path) -> set[str]:
    files = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
    return files | {path.name for path in (ROOT / package).iterdir() if path.is_dir() and path.name != "__pycache__"}


def _imported(package: Path, name: str) -> Iterator[str]:
    """Yield the modules of the package that one of its modules, or a package in it, imports."""
    prefix = ".".join(package.parts) + "."
    single = ROOT / package / f"{name}.py"
    for path in [single] if single.exists() else sorted((ROOT / package / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(prefix):
                yield node.module.removeprefix(prefix).partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_the_map_of_a_package_names_its_modules_in_reading_order(package: Path) -> None:
    """Given a package, then its docstring names each module once, and each imports only from those above it."""
    names = _map(package)
    assert len(names) == len(set(names))
    if str(package) != _COMMANDS:
        assert set(names) == _modules(package)
    order = {name: index for index, name in enumerate(names)}
    wrong = [f"{name} imports {other}" for name in names for other in _imported(package, name) if order.get(other, 0) > order[name]]
    assert wrong == []
