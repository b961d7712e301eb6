"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from taskq.config import ChannelSettings, Settings, mask_url
from taskq.doctor.app import Loaded, check_app
from taskq.doctor.channel import check_channel
from taskq.doctor.facts import ask_server
from taskq.doctor.finding import Finding, exit_code, good, note, unusable
from taskq.doctor.server import SERVER_CHECKS
from taskq.driver.contract import Link
from taskq.driver.load import is_unstarted, load_driver, may_start, server_url
from taskq.driver.redis.checks import ask_unfenced
from taskq.driver.registry import known_channels
from taskq.errors import ConfigError, QueueFull, ServerError, ServerRefused
from taskq.worker.execute.eventloop import check_loop

__all__ = ["Diagnosis", "diagnose", "examine"]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of all checks, and the exit code of `taskq doctor`."""

    #: 1 if a problem can lose jobs, 2 if something can't be checked or used, otherwise 0.
    exit_code: int
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data, as `taskq doctor --json` prints it."""
        return {"exit_code": self.exit_code, "findings": [msgspec.to_builtins(finding) for finding in self.findings]}


def diagnose(settings: Settings, loaded: Loaded | None) -> Diagnosis:
    """Check the server, the application and every channel. Arguments as in `examine`."""
    found = list(examine(settings, loaded))
    return Diagnosis(exit_code=exit_code(found), findings=tuple(found))


def examine(settings: Settings, loaded: Loaded | None) -> Iterator[Finding]:
    """Check the server, the application and every channel.

    Args:
        settings: of the project; of the application when that can be loaded.
        loaded: what came of loading it; None: none is named.
    """
    if loaded is None:
        advice = 'to check its jobs, too: --app shop.jobs:queue, or app = "shop.jobs:queue" in taskq.toml'
        yield note("app", "import", "no app given, so only the settings' channels are checked", advice)
    else:
        yield from check_app(loaded)
    queue = loaded.queue if loaded is not None else None
    names = queue.channel_names() if queue is not None else sorted(settings.channels)
    channels = [queue.channel(name) if queue is not None else settings.channel(name) for name in names]
    yield from _loops(channels)
    yield from _stores(settings, channels, has_app=queue is not None)


def _loops(channels: list[ChannelSettings]) -> Iterator[Finding]:
    for channel in channels:
        try:
            check_loop(channel.loop, channel.name)
        except ConfigError as error:
            yield unusable(f"channel {channel.name}", "loop", str(error), "no worker of this channel starts without it")


def _stores(settings: Settings, channels: list[ChannelSettings], *, has_app: bool) -> Iterator[Finding]:
    if is_unstarted(settings):
        if may_start(settings):
            yield note("server", "reach", "the embedded server isn't running, so the queue is empty", "the first push or worker starts it")
        else:
            advice = "set `url`, or make that directory writable: no push and no worker can start the server"
            yield unusable("server", "reach", f"the embedded server can't write to {settings.directory}", advice)
        return
    try:
        url = server_url(settings)
    except ServerError as error:
        yield unusable("server", "reach", str(error), "no push and no worker can run without it")
        return
    seen: set[str] = set()
    with suppress(ServerError):  # reported below
        channels = list({one.name: one for one in [*channels, *known_channels(settings, url).values()]}.values())
    for channel in channels:
        if channel.driver != "redis":
            yield note(f"channel {channel.name}", "driver", f"it has a custom driver, {channel.driver}, which can't be checked")
            continue
        driver = load_driver(url, channel)
        link = driver.link(5.0)
        try:
            yield from _server(link, seen)
            yield from check_channel(link.call, driver, channel, has_app=has_app)
        except (ServerError, QueueFull) as error:
            # Every other channel would report the same; in a Cluster, they may be on other nodes.
            if mask_url(url) not in seen:
                yield unusable("server", "reach", str(error), _advice(error))
            seen.add(mask_url(url))
        finally:
            link.close()


def _server(link: Link, seen: set[str]) -> Iterator[Finding]:
    """Check the server of a connection, if it is one that wasn't checked yet: in a Cluster channels live on several."""
    facts = ask_server(link)
    identity = facts.info.get("run_id", link.where)
    if identity in seen:
        return
    seen.add(identity)
    yield good("server", "reach", f"{facts.where} answers")
    for check in SERVER_CHECKS:
        yield from check(facts)
    if missing := ask_unfenced(link):
        text = "this user can't close a broken connection: if the network delays a command, it may make a job run twice"
        yield note("server", "fence", text, f"grant the user of the workers {' '.join(f'+{name}' for name in missing)}")


def _advice(error: Exception) -> str:
    if isinstance(error, ServerRefused) and any(word in str(error) for word in ("NOAUTH", "WRONGPASS", "password")):
        return "put the right user and password into `url`: until then, no push, worker or check can connect"
    if isinstance(error, ServerRefused):
        return "grant the user of `url` INFO, CONFIG GET, TYPE and the permissions of a worker, or check with another user"
    return "no push and no worker can run until it answers: make sure that it runs, and that `url` is right"
