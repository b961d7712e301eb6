"""A signal from a worker process to its supervisor: look at my slot."""

from __future__ import annotations

import contextlib
import os

__all__ = ["Poke"]


class Poke:
    """Writes one byte into the supervisor's pipe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __call__(self) -> None:
        # The pipe may be full, or a job may have closed it: the supervisor checks once a second anyway.
        with contextlib.suppress(OSError):
            os.write(self.descriptor, b"!")
