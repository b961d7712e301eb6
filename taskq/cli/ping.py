"""`taskq ping`: a health check for service managers and containers."""

from __future__ import annotations

from collections.abc import Mapping

import click

from taskq.cli.options import Seconds, channels_option, server_options
from taskq.cli.problems import NotThere
from taskq.config import ChannelSettings, Settings, did_you_mean, load_settings, mask_url
from taskq.driver.heartbeats import last_heartbeat
from taskq.driver.load import running_url
from taskq.driver.registry import known_channels
from taskq.errors import ServerUnavailable, UnknownChannel

__all__ = ["command"]


@click.command("ping", short_help="Check that a worker of this machine is alive, and its server answers.")
@channels_option("Require a worker of this channel. May be given several times. Default: a worker of any channel.")
@click.option("--any", "anywhere", is_flag=True, help="Accept a worker of any machine.")
@click.option("--live", is_flag=True, help="Accept a worker that is starting, or an unreachable server: for probes that restart workers.")
@click.option(
    "--timeout", type=Seconds(0, 60, min_open=True), default=3.0, show_default=True, metavar="TIME", help="Time to wait for the server."
)
@server_options
def command(channels: tuple[str, ...], *, anywhere: bool, live: bool, timeout: float, app: str | None, url: str | None) -> None:
    """Check that a worker of this machine or container has started, and has sent a heartbeat within its lease.

    Exit code 0 if so, 1 if not, 2 if the server is unreachable or a setting is wrong. The app is imported only if the settings don't
    contain `url`, or if no worker was found without it.
    """
    settings = load_settings({"app": app, "url": url}, argument_name="command line")
    known = _with_matching(settings, settings.channels, channels)
    try:
        # The import of an app may take seconds.
        alone = app is None and (settings.url is not None or settings.app is None)
        age = _last_heartbeat(settings, known, channels, anywhere=anywhere, starting=live, timeout=timeout) if alone else None
        if age is None and settings.app is not None:
            from taskq.cli.target import open_queue  # a probe runs often, and rarely needs it

            queue = open_queue(app, url)
            settings = queue.settings
            known = _with_matching(settings, {name: queue.channel(name) for name in queue.channel_names()}, channels)
            age = _last_heartbeat(settings, known, channels, anywhere=anywhere, starting=live, timeout=timeout)
    except ServerUnavailable as error:
        if not live:
            raise
        click.echo(f"not checked, because the server is unreachable: {error}")
        return
    for name in channels:
        if name not in known:
            raise UnknownChannel(f"unknown channel {name!r}; {did_you_mean(name, known)}")
    if age is None:
        where = "any machine" if anywhere else "this machine"
        names, server = ", ".join(channels or known), mask_url(settings.url) if settings.url is not None else "the embedded server"
        raise NotThere(f"no worker process on {where} is alive, with a heartbeat within its lease (channel {names}, {server})")
    click.echo(f"alive: last heartbeat {age:.1f} s ago")


def _with_matching(settings: Settings, defined: Mapping[str, ChannelSettings], names: tuple[str, ...]) -> dict[str, ChannelSettings]:
    """Return the defined channels, and those of the names that match a pattern."""
    return {**{name: settings.channel(name) for name in names if settings.pattern_of(name) is not None}, **defined}


def _last_heartbeat(
    settings: Settings, known: Mapping[str, ChannelSettings], channels: tuple[str, ...], *, anywhere: bool, starting: bool, timeout: float
) -> float | None:
    """Return the age of the last heartbeat: the oldest of the named channels, or the latest of all. None if one is missing."""
    url = running_url(settings)
    if url is None:
        return None
    if not channels:
        known = {**known, **known_channels(settings, url, timeout)}
    ages = [
        last_heartbeat(url, known[name], anywhere=anywhere, starting=starting, timeout=timeout)
        for name in channels or known
        if name in known
    ]
    found = [age for age in ages if age is not None]
    if channels:
        return max(found) if len(found) == len(channels) else None
    return min(found, default=None)
