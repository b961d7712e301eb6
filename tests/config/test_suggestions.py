"""Parts of error messages."""

from __future__ import annotations

import pytest

from taskq.config.suggestions import did_you_mean, nearest, shown


def test_the_nearest_name_is_suggested() -> None:
    """Given a mistyped name in any case, then the closest candidate is returned; None if none is close."""
    assert nearest("Procceses", ["lease", "processes"]) == "processes"
    assert nearest("x", ["lease", "processes"]) is None
    assert nearest("x", []) is None


def test_without_a_near_name_all_are_listed() -> None:
    """Given a word like no candidate, then the error lists them in order; a prefix is shown, but not compared."""
    assert did_you_mean("leas", ["processes", "lease"], prefix="--") == 'did you mean "--lease"?'
    assert did_you_mean("timeout", ["handle_timeout", "stop_timeout"]) == 'did you mean "handle_timeout"?'
    assert did_you_mean("queue", ["url", "app"]) == "valid are: app, url"
    assert did_you_mean("a, b", ["a", "b", "c"]) == "give each name in a separate option or argument"
    assert did_you_mean("a,x", ["a", "b"]) == "valid are: a, b"
    assert did_you_mean("x", ["processes", "lease"], prefix="--") == "valid are: --lease, --processes"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        ({"a": 1}, "a table"),
        ("a", '"a"'),
        ("a\n", "'a\\n'"),
        (1.5, "1.5"),
        (None, "a value of type NoneType"),
        ("x" * 99, f'"{"x" * 56}...'),
    ],
)
def test_a_value_is_shown_as_it_was_written(value: object, text: str) -> None:
    """Given a value, then it is shown as in TOML, in at most 60 characters."""
    assert shown(value) == text
