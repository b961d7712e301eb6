"""How to install an optional extra: the text that each error about a missing extra contains."""

from __future__ import annotations

__all__ = ["DISTRIBUTION", "how_to_install"]

#: The name in the package index. Another project owns the name `taskq` there.
DISTRIBUTION = "taskq-jobs"


def how_to_install(extra: str) -> str:
    """Return the name of an extra and the commands that install it: from the package index, and from a clone."""
    return f"install the extra `{extra}` with pip install '{DISTRIBUTION}[{extra}]' (in a clone of taskq: pip install '.[{extra}]')"
