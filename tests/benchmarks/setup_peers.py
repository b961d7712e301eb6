"""Installs the peers, each in an environment of its own, in the versions of the table.

    python -m tests.benchmarks.setup_peers            into taskq-benchmark-peers in the folder for temporary files
    python -m tests.benchmarks.setup_peers DIR        into another folder

An environment that is there in the right versions is left alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.benchmarks.contender import Contender
from tests.benchmarks.table import PEERS
from tests.support.worker import ROOT

__all__ = ["DEFAULT", "install"]

DEFAULT = Path(tempfile.gettempdir()) / "taskq-benchmark-peers"
#: Written last: says that an environment is whole, and what is in it.
STAMP = "benchmark-requirements.txt"


def install(contender: Contender, peers: Path) -> bool:
    """Make its environment; False when it was there."""
    folder = contender.folder(peers)
    wanted = "\n".join(contender.requires)
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    venv.create(folder, clear=True, with_pip=True)
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *contender.requires]
    subprocess.run(command, check=True)
    stamp.write_text(wanted)
    return True


def main(arguments: list[str]) -> int:
    """Install all."""
    peers = Path(arguments[0]).resolve() if arguments else DEFAULT
    if peers.is_relative_to(ROOT):
        print(f"{peers} is inside the repository: name a folder outside of it", file=sys.stderr)
        return 2
    for contender in PEERS:
        if contender.requires:
            done = "installed" if install(contender, peers) else "is there"
            print(f"{contender.name}: {done} ({', '.join(contender.requires)})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
