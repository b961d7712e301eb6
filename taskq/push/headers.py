"""Headers for all pushes of a block: `with queue.headers(...):`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from taskq.errors import ConfigError
from taskq.wire.headers import check_headers

__all__ = ["IN_USE", "HeadersBlock", "WithHeaders", "headers_here"]


class HeadersBlock:
    """A `with` (or `async with`) block whose pushes get headers. Made by `queue.headers(...)`."""

    __slots__ = ("headers", "is_open", "outer", "queue")

    def __init__(self, queue: object, headers: dict[str, str]) -> None:
        self.queue = queue
        self.headers = headers
        self.outer: HeadersBlock | None = None
        self.is_open = False

    def __enter__(self) -> None:
        if self.is_open:
            raise RuntimeError("these headers are already open: use a new queue.headers(...) for each block")
        self.is_open = True
        IN_USE[:] = [True]
        self.outer = _innermost.get()
        _innermost.set(self)

    def __exit__(self, *_: object) -> None:
        self.is_open = False
        block = _innermost.get()
        if block is self:
            _innermost.set(self.outer)
            return
        while block is not None and block is not self:
            block = block.outer
        if block is None:  # a generator that one thread opened and another one closes
            warnings.warn(
                "queue.headers() was entered and left in different threads or tasks, so pushes in its block may lack the headers. "
                "In FastAPI, write the dependency with async def",
                RuntimeWarning,
                stacklevel=2,
            )

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle queue.headers(...): pass a dict of the headers")


#: Empty as long as no headers of a block and no push hooks were used in this process. A push then only looks here.
IN_USE: list[bool] = []
_innermost: ContextVar[HeadersBlock | None] = ContextVar("taskq_headers", default=None)


def headers_here(queue: object, own: dict[str, str] | None) -> dict[str, str]:
    """Return the headers of a push: its own, then those of the open blocks of its queue in this thread or task, the inner ones first."""
    found = own or {}
    block = _innermost.get()
    while block is not None:
        if block.queue is queue and block.is_open:
            found = {**block.headers, **found}
        block = block.outer
    return found


class WithHeaders:
    """The method `headers` of a queue."""

    def headers(self, mapping: Mapping[str, str] | None = None, /, **headers: str) -> HeadersBlock:
        """Set headers for all pushes of a `with` block: `with queue.headers(tenant="acme"):`.

        They apply to the pushes of this thread or task, and of tasks that are created in the block, until it ends. Blocks nest: a push
        gets the headers of all of them. The headers of `options(headers=...)` come first, then those of the innermost block. To pass on the
        headers of the running job, use `with queue.headers(taskq.current().headers):`.

        Args:
            mapping: headers as a mapping of strings to strings, for names that are not valid keywords.
            headers: headers by name.

        Raises:
            ConfigError: a name or value is not a string, or the headers take more than 4 KiB.
        """
        if mapping is not None and not isinstance(mapping, Mapping):
            raise ConfigError(f"queue.headers() needs a mapping or keywords, such as queue.headers(tenant='acme'); got {mapping!r}")
        return HeadersBlock(self, check_headers({**(mapping or {}), **headers}))
