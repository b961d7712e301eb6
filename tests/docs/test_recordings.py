"""The recordings of `taskq demo` and `taskq info`: they come from the real commands, and show nothing of the machine that made them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.text import Text

from docs._generate import demo_svg, info_svg
from docs._generate.terminal_svg import Frame, animation
from taskq.driver.embedded.server import is_available
from taskq.tools.demo.files import Selection, find_files
from tests.support.worker import ROOT

_SVG = "{http://www.w3.org/2000/svg}"


def _texts(svg: str) -> str:
    found = ElementTree.fromstring(svg).iter(f"{_SVG}text")
    return "\n".join("".join(element.itertext()) for element in found).replace("\N{NO-BREAK SPACE}", " ")


def test_the_real_demo_is_recorded(tmp_path: Path) -> None:
    """Given a folder, when the demo is recorded on it, then the picture shows the command, the states, the failure and the summary."""
    if not is_available():
        pytest.skip("the extra `embedded` is not installed")
    for number in range(12):
        (tmp_path / f"{number}.txt").write_text("two words\n")
    selection = Selection(tmp_path)
    shown = _texts(demo_svg.draw(demo_svg.record(selection, find_files(selection, lambda number: None), 2)))
    for text in (
        "taskq demo",
        "WAITING",
        "LAST COUNTED",
        "write_report failed 3 times",
        "write_report succeeded",
        "24 words",
        "taskq init",
    ):
        assert text in shown


def test_a_real_worker_is_recorded() -> None:
    """Given the shop of the picture, when its worker is recorded, then the picture shows its channels, processes and progress."""
    if not is_available():
        pytest.skip("the extra `embedded` is not installed")
    shown = _texts(info_svg.draw(info_svg.record(frames=1, every=0.1)))
    for text in ("taskq info --watch", "web1:", "jobs:resize_images", "jobs:send_email", " of 40 ("):
        assert text in shown


def test_frames_follow_each_other() -> None:
    """Given frames, one too short to be seen, then the others are shown one after the other, and the last until the picture restarts."""
    frames = [Frame(0.0, Text("a  <b>")), Frame(1.0, Text("short")), Frame(1.01, Text("c", style="green")), Frame(3.0, Text("end"))]
    svg = animation("A & B", "name", frames, columns=40, end_seconds=7)
    assert _texts(svg).split("\n") == ["name", "a  <b>", "c", "end"]
    assert '<text class="g"' in svg
    assert '<title id="terminal-title">A &amp; B</title>' in svg
    moments = [float(moment) for moment in re.findall(r"([\d.]+)%\{transform", svg)]
    assert moments == pytest.approx([0, 10.1, 30, 100])


_NOW = {
    demo_svg.PICTURE: (
        "Counting ",
        " of /usr/lib/python3.",
        "failed 3 times and moved to failed",
        "gives the same numbers",
        "list all commands",
    ),
    info_svg.PICTURE: ("CHANNEL", "PARKED", "WORKER", "web1:", "SEEN", "PROGRESS"),
}


@pytest.mark.parametrize("path", _NOW, ids=lambda path: path.name)
def test_a_picture_is_of_today(path: Path) -> None:
    """Given a committed picture, then it has the present texts, and neither a path nor the host of the machine that made it."""
    svg = path.read_text(encoding="utf-8")
    shown = _texts(svg)
    for text in _NOW[path]:
        assert text in shown
    assert not re.search(r"/root|/home|/Users|pyenv", svg)
    assert str(ROOT) not in svg
