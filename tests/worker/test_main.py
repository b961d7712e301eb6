"""The start of a worker process."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from taskq.worker.main import _seed_numpy


class Generator:
    """A bit generator of another kind than the default."""


def test_numpy_is_seeded_if_the_app_has_imported_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an app with numpy, then its global generator is seeded, or replaced by a new one of the kind that the app has chosen."""
    calls: list[Any] = []
    module = SimpleNamespace(seed=lambda: calls.append("seed"), get_bit_generator=Generator, set_bit_generator=calls.append)
    monkeypatch.delitem(sys.modules, "numpy.random", raising=False)
    _seed_numpy()
    monkeypatch.setitem(sys.modules, "numpy.random", module)  # type: ignore[arg-type]
    _seed_numpy()

    def refuse() -> None:
        raise TypeError("can only re-seed a MT19937 BitGenerator")

    module.seed = refuse
    _seed_numpy()
    assert (calls[0], type(calls[1]), len(calls)) == ("seed", Generator, 2)
