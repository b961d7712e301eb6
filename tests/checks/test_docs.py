"""The documentation names everything that is public."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import taskq
from taskq import errors

API = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def test_every_public_name_is_documented() -> None:
    """Given the public names of taskq, then the API page has each; errors come from their own tree."""
    named = set(re.findall(r"auto\w+:: taskq\.(\w+)", API.read_text(encoding="utf-8")))
    public = set(taskq.__all__) - set(errors.__all__) - {"errors"}
    assert public - named == set()


def test_the_api_page_names_nothing_that_was_removed() -> None:
    """Given the names on the API page, then taskq has each."""
    named = re.findall(r"auto\w+:: taskq\.(\w+)", API.read_text(encoding="utf-8"))
    assert [name for name in named if not hasattr(taskq, name)] == []


def test_every_error_is_in_the_tree_of_errors() -> None:
    """Given every exception of taskq.errors, then it hangs on one of the roots that the API page draws."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    roots = (errors.TaskqError, errors.JobControl, errors.JobTimeout, errors.JobCancelled)
    assert [kind.__name__ for kind in kinds if not issubclass(kind, roots)] == []
