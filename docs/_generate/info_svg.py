"""Records `taskq info --watch` as an animated picture: docs/_static/info.svg.

    python -m docs._generate.info_svg           needs the extra `embedded`; takes a quarter of a minute

A real worker runs the jobs of a made-up shop, and each frame is what the command shows at that moment. Only the name of the host and the
address of the server are replaced.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Group
from rich.text import Text

from docs._generate.terminal_svg import Frame, animation
from taskq.cli.info import view
from taskq.config import load_settings
from taskq.driver.embedded.server import EmbeddedServer
from taskq.inspector import ChannelReport, Inspector

__all__ = ["draw", "record"]

PICTURE = Path(__file__).parents[1] / "_static" / "info.svg"

COLUMNS = 122
#: The command refreshes every two seconds.
FRAMES, EVERY = 6, 2.0

_TITLE = "A recording of taskq info --watch: messages per state of two channels, and three worker processes with their jobs and progress"
_SETTINGS = """
app = "jobs:queue"

[channels.default]
processes = 2

[channels.mail]
"""
_JOBS = """
import time

from taskq import Queue, progress

queue = Queue()


@queue.job
def resize_images(album):
    for number in range(40):
        progress(number + 1, 40, f"{album}/{number + 1}.jpg")
        time.sleep(0.4)


@queue.job(channel="mail")
def send_email(to):
    time.sleep(0.2)


if __name__ == "__main__":
    resize_images.push_many([(name,) for name in ("lake", "alps", "city", "wood", "zoo")])
    send_email.push_many([(f"{number}@example.org",) for number in range(120)])
    send_email.options(delay=3600).push("anna@example.org")
"""


class _Elsewhere(Inspector):
    """An inspector that shows another server and host than those of this machine."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector

    @property
    def has_app(self) -> bool:
        return True

    def url(self) -> str:
        return "redis://queue.example.org:6379/0"

    def channels(self) -> list[str]:
        return self._inspector.channels()

    def report(self, channel: str) -> ChannelReport:
        report = self._inspector.report(channel)
        workers = tuple(msgspec.structs.replace(worker, host="web1") for worker in report.workers)
        return msgspec.structs.replace(report, workers=workers)


def record(frames: int = FRAMES, every: float = EVERY) -> list[Frame]:
    """Run a worker, and return what the command shows."""
    command = Text.assemble(("$ ", "bold green"), ("taskq info --watch", "bold"))
    with _worker() as folder:
        inspector = _Elsewhere(Inspector(load_settings(environ={}, start=folder)))
        while sum(bool(worker.job) for name in inspector.channels() for worker in inspector.report(name).workers) < 3:
            time.sleep(0.1)
        found: list[Frame] = []
        for number in range(frames):
            time.sleep(every)
            found.append(Frame(number * every, Group(command, view(inspector, None))))
        return found


@contextmanager
def _worker() -> Iterator[Path]:
    """Run the shop's worker in a temporary folder, and remove everything at the end."""
    with tempfile.TemporaryDirectory(prefix="tq-") as name:
        folder = Path(name)
        (folder / "taskq.toml").write_text(_SETTINGS)
        (folder / "jobs.py").write_text(_JOBS)
        try:
            subprocess.run([sys.executable, "jobs.py"], cwd=folder, check=True)
            with (folder / "log").open("wb") as log:
                worker = subprocess.Popen([sys.executable, "-m", "taskq", "worker"], cwd=folder, stdout=log, stderr=log)
            try:
                yield folder
            finally:
                worker.terminate()
                worker.terminate()  # the second signal kills the running jobs
                worker.wait(30)
        finally:
            EmbeddedServer(folder / ".taskq").stop()


def draw(frames: list[Frame]) -> str:
    """Draw the frames of the command."""
    return animation(_TITLE, "taskq info --watch", frames, columns=COLUMNS, end_seconds=EVERY)


def main() -> int:
    """Record the command, and write the picture."""
    text = draw(record())
    PICTURE.write_text(text, encoding="utf-8")
    print(f"wrote {PICTURE.name}: {len(text):,} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
