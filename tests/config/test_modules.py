"""The modules that a pattern of `imports` matches."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from taskq import ConfigError
from taskq.config import load_settings
from taskq.config.modules import find_modules, unimported_module
from tests.test_app import Write, write
from tests.test_app_imports import shop

__all__ = ["shop", "write"]
pytestmark = pytest.mark.one_python


def test_a_pattern_matches_modules_of_packages(shop: Write) -> None:
    """Given packages with and without `__init__.py`, then a pattern finds the modules, in order, and imports none."""
    found = {
        "shop_q.*.jobs": ["shop_q.bare.jobs", "shop_q.bills.jobs", "shop_q.mail.jobs"],
        "shop_q.**.jobs": ["shop_q.bare.jobs", "shop_q.bills.jobs", "shop_q.bills.old.jobs", "shop_q.mail.jobs"],
        "shop_q.m*.j*": ["shop_q.mail.jobs"],
        "shop_q.*": ["shop_q.bills", "shop_q.broken", "shop_q.mail", "shop_q.q"],
        "shop_q.mail.**": ["shop_q.mail", "shop_q.mail.jobs"],
        "shop_q.*.tasks": [],
        "shop_none.*": [],
        "__main__.*": [],
    }
    assert {pattern: find_modules(pattern) for pattern in found} == found
    assert not [name for name in sys.modules if name.startswith("shop_q")]


def test_packages_in_archives_and_loops_of_links_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a package in a zip file, or links that form a loop, then the search finds the modules, and ends."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("shop_zip/__init__.py", "shop_zip/mail/__init__.py", "shop_zip/mail/jobs.py"):
            archive.writestr(name, "")
    monkeypatch.syspath_prepend(str(tmp_path / "a.zip"))
    assert find_modules("shop_zip.*.jobs") == ["shop_zip.mail.jobs"]
    (tmp_path / "shop_loop").mkdir()
    (tmp_path / "shop_loop" / "jobs.py").touch()
    (tmp_path / "shop_loop" / "again").symlink_to(tmp_path / "shop_loop")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_modules("shop_loop.**.jobs") == ["shop_loop.jobs"]


@pytest.mark.parametrize(
    ("imports", "problem"),
    [
        ("shop/jobs.py", "shop/jobs.py is a file path; give the module name instead: shop.jobs"),
        ("shop.jobs:queue", "shop.jobs:queue has a colon; give the module alone: shop.jobs"),
        ("*.jobs", "*.jobs must begin with the name of a package or module"),
        ("shop.a**", "shop.a** is not a module name or pattern"),
        ("shop..jobs", "shop..jobs is not a module name or pattern"),
    ],
)
def test_an_invalid_name_is_refused(imports: str, problem: str) -> None:
    """Given something else than a module or pattern, then the settings have the reason, and where it is written."""
    for raw in ([imports], f"shop.mail, {imports}"):
        with pytest.raises(ConfigError) as caught:
            load_settings({"imports": raw}, environ={})
        assert str(caught.value).startswith('Queue(...) argument: imports: expected a list of modules, such as "shop.jobs", or of patterns')
        assert str(caught.value).endswith(problem)
    wrong: Any = 5
    with pytest.raises(ConfigError, match="got 5"):
        load_settings({"imports": wrong}, environ={})


def test_a_job_of_a_module_that_was_not_imported_has_a_hint() -> None:
    """Given names of jobs, then only a module that a project could import, and has not, is named."""
    names = {"shop.mail:send": "shop.mail", "os:system": None, "taskq.app:f": None, "xml.dom:f": None, "send": None, "a b:c": None}
    assert {name: unimported_module(name) for name in names} == names
