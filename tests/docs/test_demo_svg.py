"""The picture of `taskq demo`: it is recorded from the real demo, and shows nothing of the machine that recorded it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.text import Text

from docs._generate.demo_svg import END_SECONDS, PICTURE, Frame, animation, record
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
    shown = _texts(animation(record(selection, find_files(selection, lambda number: None), 2)))
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


def test_frames_follow_each_other() -> None:
    """Given frames, one too short to be seen, then the others are shown one after the other, and the last until the picture restarts."""
    svg = animation([Frame(0.0, Text("a  <b>")), Frame(1.0, Text("short")), Frame(1.01, Text("c", style="green")), Frame(3.0, Text("end"))])
    assert _texts(svg).split("\n") == ["taskq demo", "a  <b>", "c", "end"]
    assert '<text class="g"' in svg
    moments = [float(moment) for moment in re.findall(r"([\d.]+)%\{transform", svg)]
    assert moments == pytest.approx([0, 101 / (3 + END_SECONDS), 300 / (3 + END_SECONDS), 100], abs=0.01)


def test_the_picture_shows_the_demo_of_today() -> None:
    """Given the committed picture, then it has the demo's present texts, and no path of the machine that made it."""
    svg = PICTURE.read_text(encoding="utf-8")
    shown = _texts(svg)
    for text in (
        "Counting ",
        " of /usr/lib/python3.",
        "write_report failed 3 times and moved to failed",
        "gives the same numbers",
        "list all commands",
    ):
        assert text in shown
    assert not re.search(r"/root|/home|/Users|pyenv", svg)
    assert str(ROOT) not in svg
