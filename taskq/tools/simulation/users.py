"""The users: a program that pushes, and people who cancel, delete and reload messages."""

from __future__ import annotations

from typing import Any

from taskq.channel import State
from taskq.driver import remove
from taskq.driver.backoff import Backoff
from taskq.driver.contract import Command, Link
from taskq.driver.load import load_driver
from taskq.driver.steps import run
from taskq.errors import QueueFull, ServerError, ServerUnavailable
from taskq.handle.cancel import Cancelled, ask_cancel
from taskq.handle.subject import Subject
from taskq.tools.simulation.ledger import Entry
from taskq.tools.simulation.scenario import Act, MessagePlan
from taskq.tools.simulation.system import URL, System
from taskq.wire.codec import check_serializer, dump_arguments
from taskq.wire.headers import write_headers
from taskq.wire.message import Message, encode, make_body

__all__ = ["ACTS", "act", "push"]

#: How often a user tries again while the server doesn't answer.
_TRIES = 20


def push(system: System, plan: MessagePlan, entry: Entry, job: str) -> None:
    """Push a message: once, or if it is idempotent until the server answers."""
    driver = load_driver(URL, system.settings)
    link = driver.link(5.0)
    options: dict[str, Any] = {"result_ttl": plan.result_ttl} if plan.result_ttl else {}
    if entry.headers:
        options["headers"] = write_headers(entry.headers)
    arguments = dump_arguments(check_serializer("pickle"), (entry.number,), {}, job)
    raw = encode(entry.identity, make_body(job, arguments, options=options))
    delay = int(plan.delay * 1000) or None
    if plan.is_idempotent:
        command = driver.push_once(raw, entry.hex_id, delay_ms=delay)
    else:
        command = driver.push_later([raw], delay_ms=delay) if delay else driver.push([raw])
    entry.raw = raw
    try:
        _insist(system, link, command) if plan.is_idempotent else link.call(command)
        entry.is_accepted = True
    except (ServerError, QueueFull):
        pass  # refused or unknown: it may be there or not
    finally:
        link.close()


def act(system: System, plan: Act, entry: Entry) -> None:
    """Do what a user does with a message."""
    driver = load_driver(URL, system.settings)
    link = driver.link(5.0)
    try:
        ACTS[plan.kind](system, entry, driver, link)
    except (ServerError, QueueFull):
        pass  # the user gives up
    finally:
        link.close()


def _cancel(system: System, entry: Entry, driver: Any, link: Link, *, kill: bool = False) -> None:
    entry.is_cancelled = True
    entry.cancelling += 1
    try:
        done: Cancelled = run(ask_cancel(driver, Subject(entry.hex_id, system.settings.name, None), "somebody", kill=kill), link.call)
    finally:
        entry.cancelling -= 1
    system.world.trace("user", f"cancels {entry}: {done.value}")
    if done is Cancelled.REQUESTED:
        entry.asked_at = system.world.now
    elif done is Cancelled.NOW:
        entry.is_removed = True


def _kill(system: System, entry: Entry, driver: Any, link: Link) -> None:
    _cancel(system, entry, driver, link, kill=True)


def _withdraw(system: System, entry: Entry, driver: Any, link: Link) -> None:
    if entry.raw:
        entry.is_withdrawn = True
        run(remove.withdraw(driver, entry.raw), link.call)


def _reload(system: System, entry: Entry, driver: Any, link: Link) -> None:
    """Wait until the message is a dead letter, and move it back."""
    if not system.world.wait(lambda: entry.place in ("failed", "timeout"), 60.0):
        return
    state = State(entry.place)
    for raw in link.call(driver.page(state, 0, 1000))[::2]:
        message = Message(raw)
        if message.id == entry.identity:
            link.call(driver.restore(state, [(raw, message.changed(attempts=0, crashes=0))]))


#: The actions of users, by name.
ACTS: dict[str, Any] = {"cancel": _cancel, "kill": _kill, "withdraw": _withdraw, "reload": _reload}


def _insist(system: System, link: Link, command: Command) -> None:
    backoff = Backoff(0.05, 1.0)
    for _ in range(_TRIES):
        try:
            link.call(command)
        except ServerUnavailable:
            system.world.sleep(backoff.pause())
        else:
            return
    raise ServerUnavailable("the user gives up")
