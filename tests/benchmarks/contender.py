"""What is measured: a library (or a bare loop), how its worker is started, and how many jobs it gets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CONTENDERS_FOLDER", "Contender"]

CONTENDERS_FOLDER = Path(__file__).parent / "contenders"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One of those that run the same jobs. The command's first word is a program of its environment."""

    name: str
    #: The file in contenders/, without its ending.
    app: str
    worker: tuple[str, ...]
    #: How many workers are started, where one command doesn't start two processes.
    copies: int = 1
    #: No-op jobs of a full round: some seconds of work.
    jobs: int
    #: Pinned; empty for what needs no environment of its own.
    requires: tuple[str, ...] = ()
    #: The environment it shares with another contender.
    home: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    #: The kinds of jobs and pushes that it doesn't have, each with its reason; see `measures.kinds`.
    lacks: Mapping[str, str] = field(default_factory=dict)
    #: True if its no-op job is a coroutine already.
    is_async: bool = False
    #: Another command for the workers of a kind, started twice.
    workers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: What the page says of how it was set up.
    setup: str = ""

    def folder(self, peers: Path) -> Path:
        """Its environment among those that `setup_peers` makes."""
        return peers / (self.home or self.name)

    def python(self, peers: Path | None) -> str:
        """The interpreter of its environment."""
        if not self.is_peer:
            return sys.executable
        assert peers is not None, f"{self.name} needs the folder of the peers"
        return str(self.folder(peers) / "bin" / "python")

    def command(self, peers: Path | None, kind: str = "") -> list[str]:
        """The command line of its worker, for a kind of job."""
        program, *arguments = self.workers.get(kind, self.worker)
        python = self.python(peers)
        return [python if program == "python" else str(Path(python).parent / program), *arguments]

    @property
    def is_peer(self) -> bool:
        """Whether it needs an environment of its own."""
        return bool(self.requires or self.home)

    def is_there(self, peers: Path | None) -> bool:
        """Whether it can be started."""
        return not self.is_peer or (peers is not None and os.access(self.command(peers)[0], os.X_OK))
