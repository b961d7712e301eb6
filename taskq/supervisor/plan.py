"""The plan of a worker: channels, processes and server. Decided once, when the app is loaded."""

from __future__ import annotations

import msgspec

from taskq.config import ChannelSettings, Settings, did_you_mean
from taskq.driver.load import load_driver, server_url
from taskq.driver.redis.checks import ask_eviction, ask_unfenced, check_kinds, check_permissions, check_server
from taskq.errors import UnknownChannel
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.processes.zygote import AppInfo
from taskq.worker.execute.eventloop import check_loop

__all__ = ["Plan", "check_channel", "choose", "chosen_patterns", "make_plan", "with_options"]


class Plan(msgspec.Struct, frozen=True):
    """The channels of a worker with their settings and processes, and facts about its server."""

    settings: Settings
    url: str
    server: str
    channels: dict[str, ChannelSettings]
    processes: dict[str, int]
    jobs: frozenset[str]
    #: The eviction policy of the server; "" if it drops no keys.
    eviction: str = ""
    #: The permissions that the user lacks to close a connection which was given up.
    unfenced: tuple[str, ...] = ()


def make_plan(app: AppInfo, options: WorkerOptions) -> Plan:
    """Make the plan, and check the server.

    Raises:
        UnknownChannel: an option names a channel that the application doesn't know.
        ServerError: the server is unreachable, rejects a command, or is too old.
    """
    chosen = choose(app, options)
    url = server_url(app.settings)
    server = eviction = ""
    unfenced: list[str] = []
    for settings in (chosen or chosen_patterns(app.settings, options)).values():
        server, eviction, unfenced = check_channel(url, settings)
    processes = {name: options.processes or settings.processes for name, settings in chosen.items()}
    return Plan(app.settings, url, server, chosen, processes, frozenset(app.jobs), eviction, tuple(unfenced))


def choose(app: AppInfo, options: WorkerOptions) -> dict[str, ChannelSettings]:
    """Return the settings of the channels to consume.

    Raises:
        UnknownChannel: an option names a channel that the application doesn't know.
        ConfigError: the event loop of a channel is not installed.
    """
    chosen = {}
    for name in options.channels or sorted(app.channels):
        if name in app.channels:
            chosen[name] = with_options(app.channels[name], options)
        elif app.settings.pattern_of(name) is not None:
            chosen[name] = with_options(app.settings.channel(name), options)
        elif name not in app.settings.patterns:  # the channels of a pattern are found in the server
            raise UnknownChannel(f"unknown channel {name!r}; {did_you_mean(name, [*app.channels, *app.settings.patterns])}")
    for name, settings in {**chosen, **chosen_patterns(app.settings, options)}.items():
        check_loop(settings.loop, name)
    return chosen


def chosen_patterns(settings: Settings, options: WorkerOptions) -> dict[str, ChannelSettings]:
    """Return the patterns whose channels the worker consumes, with the settings of these."""
    names = [name for name in settings.patterns if not options.channels or name in options.channels]
    return {name: settings.patterns[name] for name in names}


def check_channel(url: str, settings: ChannelSettings) -> tuple[str, str, list[str]]:
    """Check the server of a channel, the permissions and the keys. Return the facts about the server as in `Plan`.

    Raises:
        ServerError: the server is unreachable, rejects a command, or is too old.
    """
    driver = load_driver(url, settings)
    link = driver.link(min(5.0, settings.lease / 3))
    try:
        server = check_server(link)
        check_permissions(driver, link)
        check_kinds(link.call, driver, settings.name)
        return (server, ask_eviction(link), ask_unfenced(link)) if settings.driver == "redis" else (server, "", [])
    finally:
        link.close()


def with_options(settings: ChannelSettings, options: WorkerOptions) -> ChannelSettings:
    """Return the settings of a channel with the options of a worker."""
    overrides = {"concurrency": options.concurrency, "max_messages": options.max_messages}
    return msgspec.structs.replace(settings, **{name: value for name, value in overrides.items() if value is not None})
