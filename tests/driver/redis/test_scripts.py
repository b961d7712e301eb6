"""The Lua files: the header of each describes its arguments, and the driver sends exactly these."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import Any

import pytest

from taskq.channel import MOVES, Keys, State
from taskq.config import ChannelSettings
from taskq.driver.contract import Blame, Command, Parts, Rescue, StoredEnding
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.redis.scripts import load_script, script_names

LINES = 50
LUA = files("taskq.driver.redis") / "lua"
FILES = sorted(entry.name for entry in LUA.iterdir() if entry.name.endswith(".lua"))
DRIVER = RedisDriver("redis://localhost", ChannelSettings(name="default", channel="p"))
W, ID, RAW = "worker-1", b"i" * 16, b"raw message"

#: Every call of the driver that sends a script. A call may have any number of ids, messages or pairs: all of 0, 1 and 2 are here.
CALLS: list[Command] = [
    DRIVER.push_later([RAW], delay_ms=5),
    DRIVER.push_later([RAW, RAW], at_ms=5),
    DRIVER.push_once(RAW, "id"),
    DRIVER.push_once(RAW, "id", delay_ms=5),
    DRIVER.withdraw(RAW),
    DRIVER.reserve(W, 3, []),
    DRIVER.reserve(W, 3, [ID, ID]),
    DRIVER.reserve(W, 3, [ID, ID], ordered=True, endings=[(ID, StoredEnding(b"result", 5))]),
    DRIVER.ack(W, [ID], endings=[(ID, StoredEnding(b"result", 5))] * 2),
    DRIVER.ack(W, [ID]),
    DRIVER.ack(W, [ID, ID]),
    DRIVER.retry(W, ID, 5, RAW),
    DRIVER.requeue(W, "front", [ID]),
    DRIVER.requeue(W, "later", [ID, ID], 5),
    DRIVER.fail(W, State.FAILED, ID, RAW),
    DRIVER.fail(W, State.TIMEOUT, ID, RAW),
    DRIVER.fail(W, State.FAILED, ID, RAW, StoredEnding(b"result", 5)),
    DRIVER.finish(W, ID, StoredEnding(b"result", 5)),
    DRIVER.finish(W, ID, StoredEnding(b"result", 5, is_stream=True)),
    DRIVER.cancel(State.DELAYED, RAW, StoredEnding(b"result", 5)),
    DRIVER.request_cancel(W, RAW, b"request_cancel"),
    DRIVER.begin(W, ID, 5, b"run", b"before"),
    DRIVER.part(W, ID, Parts(1, (b"part",), 5, 10, b"run")),
    DRIVER.read(ID.hex(), 0, 5),
    DRIVER.find(State.WAITING, ID.hex(), 0, 5),
    DRIVER.find(W, ID.hex(), 5, 5),
    DRIVER.park(W, ID, RAW),
    DRIVER.stamp(W, [(RAW, RAW)]),
    DRIVER.stamp(W, [(RAW, RAW), (RAW, RAW)]),
    DRIVER.promote(),
    DRIVER.poll([DRIVER.keys]),
    DRIVER.poll([DRIVER.keys, DRIVER.keys]),
    DRIVER.claim_scan([DRIVER.keys], "s", age_ms=5),
    DRIVER.claim_scan([DRIVER.keys, DRIVER.keys], "s", age_ms=5),
    DRIVER.heartbeat(W, {"pid": 1}, lease_ms=5, register=True),
    DRIVER.heartbeat(W, {"pid": 1, "job": "x"}, lease_ms=5, register=False),
    DRIVER.heartbeat(W, {}, lease_ms=5, register=False),
    DRIVER.heartbeat_all([(W, {"pid": 1}), (W, {})], lease_ms=5),
    DRIVER.heartbeats(0, 100, 5),
    DRIVER.unregistered([W]),
    DRIVER.unregistered([W, W]),
    DRIVER.rescue(Rescue(W)),
    DRIVER.rescue(Rescue(W, b"5", (Blame(ID, "timeout", RAW, 5), Blame("all", "crash", RAW)))),
    DRIVER.restore(State.FAILED, [(RAW, RAW)]),
    DRIVER.restore(State.PARKED, [(RAW, RAW), (RAW, RAW)]),
    DRIVER.flush(State.WAITING, 5),
    DRIVER.flush(State.FAILED, 5),
    DRIVER.search(State.FAILED, b"1234", 0, 5),
    DRIVER.look([]),
    DRIVER.look([W, W]),
    DRIVER.standing(W),
    DRIVER.forget_fate(W),
    DRIVER.adopt(W, [RAW]),
    DRIVER.adopt(W, [RAW, RAW]),
    DRIVER.permissions(),
    DRIVER.kinds(),
]

#: Scripts that change nothing about where a message is, or (adopt) put it back to where it was.
NO_MOVE = {
    "adopt",
    "begin",
    "claim_scan",
    "find",
    "forget",
    "poll",
    "heartbeat",
    "heartbeat_all",
    "heartbeats",
    "kinds",
    "look",
    "request_cancel",
    "part",
    "read",
    "search",
    "permissions",
    "stamp",
    "standing",
    "unregistered",
}
#: Moves that another move's script makes.
SERVED_BY = {"drop": "ack", "reload": "restore", "unpark": "restore"}


def _text(name: str) -> str:
    return (LUA / name).read_text(encoding="utf-8")


def _header(name: str) -> dict[str, str]:
    """The parts of a header: {"KEYS": "1 waiting, 2 …", …}. A part goes on over following comment lines."""
    parts: dict[str, str] = {}
    last = "purpose"
    for line in _text(f"{name}.lua").splitlines():
        if not line.startswith("--"):
            break
        line = line.removeprefix("--").strip()
        match = re.match(r"(KEYS|ARGV|Returns|include): (.*)", line)
        if match:
            last, line = match[1], match[2]
        parts[last] = f"{parts.get(last, '')} {line}".strip()
    return parts


def _numbered(text: str) -> list[int]:
    """The places that a header describes: 1, 2, 3 of "1 worker, 2 count; 3.. ids"."""
    found: list[int] = []
    for number in re.findall(r"(?:^|[,;]\s*)(\d+)(?:\.\.)?(?=\s)", text):
        if int(number) == len(found) + 1:  # others are values, as in "0 = forever"
            found.append(int(number))
    return found


def _fits(text: str, count: int) -> bool:
    """Return True if a header describes this number of arguments. The last one may repeat."""
    described = len(_numbered(text))
    return count >= described - 1 if ".. " in text else count == described


def _call_id(command: Command) -> str:
    return f"{command.move}-{len(command.words)}"


@pytest.mark.parametrize("name", FILES)
def test_a_script_is_short_and_begins_with_what_it_does(name: str) -> None:
    """Given a Lua file, then it has at most 50 lines, and the first is "name: purpose" (for a shared step, its call)."""
    lines = _text(name).splitlines()
    assert len(lines) <= LINES
    step = name.removesuffix(".lua").removeprefix("_")
    assert lines[0].startswith(f"-- {step}(" if name.startswith("_") else f"-- {step}: ")


@pytest.mark.parametrize("name", script_names())
def test_a_header_is_complete(name: str) -> None:
    """Given a script, then its header has purpose, KEYS, Returns, and ARGV when it reads any."""
    header = _header(name)
    assert set(header) >= {"purpose", "KEYS", "Returns"}
    assert ("ARGV" in header) == ("ARGV" in load_script(name).text)
    assert _numbered(header["KEYS"])
    assert _numbered(header.get("ARGV", "1 none")) or header["ARGV"].startswith("pairs:")


@pytest.mark.parametrize("name", script_names())
def test_a_script_uses_what_its_header_describes(name: str) -> None:
    """Given a script, then every KEYS and ARGV it reads by number is described, and every described key is used."""
    header = _header(name)
    code = load_script(name).text
    keys, arguments = _numbered(header["KEYS"]), _numbered(header.get("ARGV", ""))
    used = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", code)}
    assert used == set(keys[:-1] if ".. " in header["KEYS"] else keys)
    if arguments:
        assert {int(number) for number in re.findall(r"ARGV\[(\d+)\]", code)} <= set(arguments)


@pytest.mark.parametrize("name", FILES)
def test_no_script_makes_a_key(name: str) -> None:
    """Given a script, then every key comes from KEYS: none is written in it or put together."""
    for command, first in re.findall(r"redis\.p?call\('?(\w+)'?(?:,\s*([^,)]+))?", _text(name)):
        if command == "TIME":
            continue
        assert re.fullmatch(r"[a-z]\w*|KEYS\[(\d+|i|place)\]", first), f"{command} touches {first}"


@pytest.mark.parametrize("command", CALLS, ids=_call_id)
def test_the_driver_sends_what_the_header_describes(command: Command) -> None:
    """Given a call of the driver, then its KEYS and ARGV have the numbers of the script's header, and all keys lie in one slot."""
    script: Any = command.script
    header = _header(script.name)
    count = int(command.words[0])
    keys, arguments = command.words[1 : count + 1], command.words[count + 1 :]
    assert _fits(header["KEYS"], count)
    assert all(str(key).startswith(Keys("p").tag + ":") for key in keys)
    text = header.get("ARGV", "")
    if text.startswith("pairs:"):
        assert len(arguments) % 2 == 0
        return
    assert _fits(text, len(arguments))
    if "fields and values" in text:
        assert (len(arguments) - len(_numbered(text)) + 1) % 2 == 0


def test_every_script_is_called() -> None:
    """Given all calls above, then they use every script there is."""
    assert {command.script.name for command in CALLS if command.script} == set(script_names())


def test_every_script_belongs_to_a_move() -> None:
    """Given the table of moves, then each has its script, and each script its move (but for those that move nothing)."""
    moves = {SERVED_BY.get(move.name, move.name) for move in MOVES}
    assert moves | NO_MOVE == set(script_names())


def test_a_worker_asks_for_the_right_to_run_every_command() -> None:
    """Given the script that looks for missing permissions, then it tries every command of the scripts that a worker sends."""
    others = {"flush", "request_cancel", "read", "permissions", "kinds"}  # the last does without TYPE where it may not send it
    sent = "".join(load_script(name).text for name in script_names() if name not in others)
    needed = set(re.findall(r"redis\.p?call\('(\w+)'", sent)) | {"RPUSH", "ZREVRANGE"}  # by the step push_all, and by find
    assert set(re.findall(r"(?:try|note)\('(\w+)'", load_script("permissions").text)) == needed


def test_a_script_is_known_by_the_digest_of_what_is_sent() -> None:
    """Given a script, then its digest is of the very text that is sent, which holds no comments and every step it includes."""
    for name in script_names():
        script = load_script(name)
        assert script.sha == hashlib.sha1(script.text.encode()).hexdigest()
        assert not [line for line in script.text.splitlines() if line.lstrip().startswith("--")]
        for step in _header(name).get("include", "").split(", "):
            assert not step or f"local function {step}(" in script.text


@pytest.mark.parametrize("name", script_names())
def test_included_steps_are_used_and_used_steps_included(name: str) -> None:
    """Given a script, then it includes exactly the steps that it, or another step of its list, calls, each after those it needs."""
    own = _text(f"{name}.lua")
    included = [step for step in _header(name).get("include", "").split(", ") if step]
    for place, step in enumerate(included):
        body = _text(f"_{step}.lua")
        assert any(f"{step}(" in text for text in (own, *(_text(f"_{later}.lua") for later in included[place + 1 :])))
        needed = {other.removeprefix("_").removesuffix(".lua") for other in FILES if other.startswith("_")} - {step}
        for other in needed:
            if re.search(rf"(?<!\w){other}\(", "\n".join(line for line in body.splitlines() if not line.startswith("--"))):
                assert other in included[:place]
