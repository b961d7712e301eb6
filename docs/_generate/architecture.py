"""The drawing of the architecture: the floors of the code, and the two walks of a message through it."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from html import escape
from pathlib import Path

__all__ = ["WALKS", "architecture_svg", "floors", "purpose"]

#: Each walk: its title, and its steps as `module:function` with the purpose of the step.
WALKS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Push a message",
        (
            ("taskq.jobs.job:Pushable.push", "bind the arguments"),
            ("taskq.jobs.parameters:Signature.check", "check them against the function"),
            ("taskq.queue:Queue.send", "choose the channel"),
            ("taskq.push.outbox:Outbox.send", "pack, then buffer or send"),
            ("taskq.push.packer:Packer.envelope", "choose serializer and options"),
            ("taskq.push.envelope:Envelope.pack", "pack one call"),
            ("taskq.wire.codec:dump_arguments", "serialize the arguments"),
            ("taskq.wire.message:make_body", "encode the body, and sign it"),
            ("taskq.wire.message:encode", "add id and head"),
            ("taskq.driver.redis.driver:RedisDriver.push", "build the command"),
            ("taskq.push.repeat:push", "repeat it if that is safe"),
            ("taskq.driver.pool:LinkPool.call", "take a connection"),
            ("taskq.driver.redis.link:RedisLink.call", "send it, and read the reply"),
        ),
    ),
    (
        "Reserve, run and settle it",
        (
            ("taskq.worker.serial.loop:Loop.run", "repeat until asked to stop"),
            ("taskq.driver.redis.driver:RedisDriver.reserve", "settle the last batch, reserve the next"),
            ("taskq.driver.redis.link:RedisLink.call", "one round trip"),
            ("taskq.worker.intake:Intake.open", "decode the heads"),
            ("taskq.scoreboard.slot:Slot.start_next", "claim the message"),
            ("taskq.worker.execute.runner:Runner.run", "run it, and decide the verdict:"),
            ("taskq.worker.execute.unpacker:Unpacker.read", "verify the signature, decode the body"),
            ("taskq.worker.execute.unpacker:Unpacker.find", "find the job"),
            ("taskq.wire.codec:load_arguments", "deserialize the arguments"),
            ("taskq.scoreboard.slot:Slot.describe", "show the running job to the supervisor"),
            ("taskq.worker.execute.executor:SyncExecutor.execute", "call the function within its time limit"),
            ("taskq.worker.settler:Settler.keep", "keep the ack for the next round trip"),
            ("taskq.scoreboard.slot:Slot.end_job", "mark the job as done"),
            ("taskq.worker.settler:Settler.flush", "settle what is left when the worker stops"),
        ),
    ),
)

_WIDTH, _ROW, _TOP = 980, 26, 34
#: Characters of a purpose.
_LONGEST = 110
_STYLE = (
    "<style>text{font:13px sans-serif;fill:#1d2228}.title{font-weight:600;font-size:15px}.name{font-family:monospace;font-weight:600}"
    ".step{font-family:monospace;font-size:12px}.note{fill:#5c6570}.floor{fill:#eef4f1;stroke:#c9d6cf}.path{stroke:#0a7d5a;stroke-width:1.5}"
    ".dot{fill:#0a7d5a}</style>"
)


def floors(pyproject: Path) -> list[list[str]]:
    """Return the floors of import-linter's contract, the highest first, each with its packages or modules."""
    contracts = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "floors")
    return [[name for name in re.findall(r"\w+", layer) if _exists(name, pyproject)] for layer in layers]


def _exists(name: str, pyproject: Path) -> bool:
    return (pyproject.parent / "taskq" / f"{name}.py").is_file() or (pyproject.parent / "taskq" / name / "__init__.py").is_file()


def purpose(name: str, root: Path) -> str:
    """Return the first sentence of the docstring of a package or module below `taskq`, or its first clause if the sentence is long."""
    path = root / "taskq" / name / "__init__.py"
    path = path if path.is_file() else root / "taskq" / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"(?<=\.)\s", text.split("\n\n")[0].replace("\n", " "), maxsplit=1)[0].rstrip(".")
    return sentence if len(sentence) <= _LONGEST else re.split(r"[:;] ", sentence, maxsplit=1)[0]


def architecture_svg(root: Path) -> str:
    """Draw the floors, then the walks below them.

    Raises:
        LookupError: a step of a walk names a function that doesn't exist.
    """
    rows: list[str] = ['<text class="title" x="16" y="22">Floors: a file imports from lower floors only</text>']
    y = _TOP
    for number, names in reversed(list(enumerate(reversed(floors(root / "pyproject.toml")), 1))):
        height = _ROW * len(names)
        rows.append(f'<rect class="floor" x="16" y="{y}" width="{_WIDTH - 32}" height="{height - 2}" rx="3"/>')
        rows.append(f'<text class="note" x="26" y="{y + 17}">{number}</text>')
        for place, name in enumerate(names):
            below = y + _ROW * place + 17
            rows.append(f'<text class="name" x="56" y="{below}">{escape(name)}</text>')
            rows.append(f'<text x="170" y="{below}">{escape(purpose(name, root).replace("`", ""))}</text>')
        y += height
    for title, steps in WALKS:
        rows += _walk(title, steps, y + 14)
        y += 14 + _ROW * (len(steps) + 1) + 6
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 8}" role="img">'
    label = "<title>The floors of the code, and the walks of a message: push, and reserve to settle</title>"
    return "\n".join([head, label, _STYLE, f'<rect width="{_WIDTH}" height="{y + 8}" rx="6" fill="#fbfbfc"/>', *rows, "</svg>", ""])


def _walk(title: str, steps: tuple[tuple[str, str], ...], y: int) -> list[str]:
    top, bottom = y + _ROW + 12, y + _ROW * len(steps) + 12
    rows = [
        f'<text class="title" x="16" y="{y + 16}">{escape(title)}</text>',
        f'<line class="path" x1="30" y1="{top}" x2="30" y2="{bottom}"/>',
    ]
    for place, (step, note) in enumerate(steps, 1):
        middle = y + _ROW * place + 12
        rows.append(f'<circle class="dot" cx="30" cy="{middle}" r="4"/>')
        for x, kind, text in zip((46, 310, 570), ("step", "step", "note"), (*_place(step), note), strict=True):
            rows.append(f'<text class="{kind}" x="{x}" y="{middle + 4}">{escape(text)}</text>')
    return rows


def _place(step: str) -> tuple[str, str]:
    """Return the file and the function of a step that exists."""
    module, _, name = step.partition(":")
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not inspect.isfunction(found):
        raise LookupError(f"{step} doesn't exist: change its step in docs/_generate/architecture.py")
    return f"{module.removeprefix('taskq.').replace('.', '/')}.py", name
