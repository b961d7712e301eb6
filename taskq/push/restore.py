"""Results and items of a stream, rebuilt by the return hint of the job that was pushed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from taskq.jobs.registry import Registry
from taskq.push.packer import Packer
from taskq.wire.foreign import job_of

if TYPE_CHECKING:
    from taskq.jobs.typed.validator import Validator

__all__ = ["restorer"]


def restorer(jobs: Registry, packer: Packer, payload: bytes) -> Callable[[Any, Literal["result", "item"]], Any]:
    """Return a function that rebuilds the values of a pushed message. It returns them unchanged if this program doesn't have the job."""

    @cache  # a stream has many items
    def validator() -> Validator | None:
        job = jobs.get(job_of(payload))
        return None if job is None else packer.validator(job)

    def restore(value: Any, kind: Literal["result", "item"]) -> Any:
        if (found := validator()) is None:
            return value
        return found.result(value) if kind == "result" else found.item(value)

    return restore
