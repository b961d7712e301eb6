"""Runs `taskq chaos` twice for a minute, side by side: once with a fixed seed, once with a random one. Both mostly wait.

    python -m tests.checks.chaos

If a run fails, its report is followed by its faults and by what the workers logged about lost processes and the server.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["main"]

_SECONDS = "60"
_TELLING = re.compile(r"lost|rescued|released|restored|not settled|reachable|killed|stopping")


def main() -> int:
    """Run both, print both reports, and return 1 if one of them is not good."""
    with tempfile.TemporaryDirectory(prefix="taskq-check-") as folder:
        runs = [(Path(folder, "fixed"), ["--seed", "1"]), (Path(folder, "random"), [])]
        started = [_start(kept, options) for kept, options in runs]
        outputs = [process.communicate()[0] for process in started]
        for (kept, _), process, output in zip(runs, started, outputs, strict=True):
            print(output)
            if process.returncode:
                print("\n".join(_logged(kept)))
        return int(any(process.returncode for process in started))


def _start(kept: Path, options: list[str]) -> subprocess.Popen[str]:
    command = ["taskq", "chaos", "--seconds", _SECONDS, "--keep", str(kept), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _logged(kept: Path) -> list[str]:
    """Return the faults of a run, and the lines of its workers' logs that may explain a second run of a job."""
    lines = []
    for path in sorted(kept.glob("*.log")):
        is_worker = path.name.startswith("worker-")
        if is_worker or path.name == "faults.log":
            found = path.read_text(encoding="utf-8", errors="replace").splitlines()
            lines += [f"---- {path.name}", *(line for line in found if not is_worker or _TELLING.search(line))]
    return lines


if __name__ == "__main__":
    sys.exit(main())
