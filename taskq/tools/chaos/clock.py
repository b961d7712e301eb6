"""A clock of the server that chaos can set: a server that is started through the library libfaketime, if the system has it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ServerClock", "find_library"]

#: The folders of the library in the common distributions.
_PLACES = ("usr/lib/*/faketime", "usr/lib*/faketime", "usr/local/lib*/faketime")
_NAME = "libfaketime.so.1"


def find_library(root: Path = Path("/")) -> Path | None:
    """Return the path of libfaketime, or None if the system doesn't have it."""
    return next((path for place in _PLACES for path in sorted(root.glob(f"{place}/{_NAME}"))), None)


class ServerClock:
    """The clock of one server, as a file that the server reads whenever it asks for the time. It survives a restart of the server."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file
        self.set(0)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words before the command that starts the server. They leave its monotonic clock unchanged."""
        settings = {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": self._file,
            "FAKETIME_NO_CACHE": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }
        return ("env", *(f"{name}={value}" for name, value in settings.items()))

    def set(self, seconds: int) -> None:
        """Set the clock to the right time plus these seconds."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n", encoding="ascii")
        new.replace(self._file)  # the server must not read half of it

    @staticmethod
    def clean(pid: int) -> None:
        """Remove what the library leaves behind when its process is killed."""
        for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
            Path("/dev/shm", name).unlink(missing_ok=True)
