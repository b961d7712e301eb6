"""Where and with what a run was made."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import taskq
from tests.benchmarks.contender import Contender
from tests.support.servers import valkey_binary

__all__ = ["describe", "versions_of"]


def describe() -> dict[str, str]:
    """Return the facts that the page tells."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "server": _server(),
        "taskq": taskq.__version__,
        "redis-py": version("redis"),
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def versions_of(contenders: list[Contender]) -> dict[str, str]:
    """Return for each peer what was pinned."""
    return {contender.name: ", ".join(contender.requires) for contender in contenders if contender.requires}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _server() -> str:
    reported = subprocess.run([str(valkey_binary()), "--version"], capture_output=True, text=True, check=True).stdout
    return reported.split(" sha=")[0].replace("Valkey server v=", "Valkey ").strip()
