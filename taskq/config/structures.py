"""The settings: their types, bounds and defaults, and the help texts of the settings reference."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from taskq.channel import check_channel_name, is_channel_pattern
from taskq.clock import MAX_DELAY
from taskq.config.suggestions import did_you_mean
from taskq.config.urls import mask_url
from taskq.config.values import APP, DIRECTORY, DRIVER, IMPORTS, INTERVALS, PREFIX, SECONDS, SECRETS, SIZE, URL
from taskq.errors import ConfigError, UnknownChannel

__all__ = ["ChannelSettings", "Settings"]

_MIB = 2**20
_MONTH = 30 * 86400.0

Seconds = Annotated[float, SECONDS, Meta(ge=0, le=MAX_DELAY)]
Intervals = Annotated[Seconds | Annotated[tuple[Seconds, ...], Meta(min_length=1)], INTERVALS]
Count = Annotated[int, Meta(ge=1)]


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one channel. Durations are in seconds, sizes in bytes."""

    name: str
    driver: Annotated[
        str, DRIVER, Meta(description='The driver that stores the messages: "redis", or a class that implements the driver contract.')
    ] = "redis"
    channel: Annotated[str, PREFIX, Meta(description="Prefix of the channel's keys in Redis. Each channel needs a different one.")] = ""
    retry_seconds: Annotated[
        Intervals,
        Meta(description="Retry delay in seconds. A list gives one delay per attempt; its last value repeats."),
    ] = 5.0
    processes: Annotated[Count, Meta(description="Number of processes of one worker that run the channel's jobs.")] = 1
    concurrency: Annotated[
        int, Meta(ge=1, le=1000, description="Concurrent jobs per process: async jobs on one event loop, other jobs in threads.")
    ] = 1
    loop: Annotated[
        Literal["asyncio", "uvloop"],
        Meta(description="Event loop of async jobs. uvloop needs the extra `uvloop`; it is never the default."),
    ] = "asyncio"
    handle_timeout: Annotated[Seconds, Meta(description="Time limit of one run in seconds. 0: no limit.")] = 0.0
    max_attempts: Annotated[int, Meta(ge=1, le=65535, description="Maximum number of attempts, including the first run.")] = 3
    max_messages: Annotated[int, Meta(ge=0, description="Replace a process after this many jobs. 0: never.")] = 0
    max_memory: Annotated[int, SIZE, Meta(ge=0, description="Replace a process when its resident memory exceeds this size. 0: never.")] = 0
    stop_timeout: Annotated[Seconds, Meta(description="Seconds that running jobs get to finish when the worker shuts down.")] = 30.0
    lease: Annotated[
        float,
        SECONDS,
        Meta(ge=1, le=MAX_DELAY, description="Seconds without a heartbeat after which a worker is declared lost."),
    ] = 15.0
    on_lost: Annotated[
        Literal["retry", "timeout"],
        Meta(description='A message whose worker crashed: "retry" runs it again, "timeout" moves it to `timeout` for someone to decide.'),
    ] = "retry"
    max_crashes: Annotated[
        int, Meta(ge=0, le=250, description="Number of crashes after which a message is still retried. One more moves it to `failed`.")
    ] = 3
    # The maximum length of a Redis list; a script would not represent a greater number exactly.
    failed_limit: Annotated[
        int, Meta(ge=1, le=2**32 - 1, description="Maximum number of messages in `failed` and in `timeout`. The oldest are deleted first.")
    ] = 10_000
    failed_ttl: Annotated[Seconds, Meta(description="Seconds for which `failed` and `timeout` store a message. 0: no limit.")] = _MONTH

    def __post_init__(self) -> None:
        if not self.channel:
            msgspec.structs.force_setattr(self, "channel", "queue" if self.name == "default" else self.name)

    @property
    def retry_delays(self) -> tuple[float, ...]:
        """`retry_seconds` as a tuple of seconds, whether it was written as a number or as a list."""
        return tuple(map(float, self.retry_seconds)) if isinstance(self.retry_seconds, tuple) else (float(self.retry_seconds),)


def _only_default() -> dict[str, ChannelSettings]:
    return {"default": ChannelSettings(name="default")}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of one queue, checked."""

    app: Annotated[
        str | None,
        APP,
        Meta(description='The app that the worker loads: a queue ("shop.jobs:queue"), or a module with one queue ("shop.jobs").'),
    ] = None
    imports: Annotated[
        tuple[str, ...],
        IMPORTS,
        Meta(
            description='Modules that are imported with the app. In a pattern such as "shop.*.jobs", `*` matches one level of packages, '
            "and `**` any number."
        ),
    ] = ()
    url: Annotated[
        str | None,
        URL,
        Meta(description="URL of the server. Other schemes: rediss://, unix://, redis+sentinel:// and redis+cluster://."),
    ] = None
    secrets: Annotated[
        tuple[str, ...],
        SECRETS,
        Meta(
            description="Secret that signs every message; unsigned messages are rejected. If there are several, the first signs and all "
            "are accepted. Not allowed in a file."
        ),
    ] = ()
    serializer: Annotated[
        Literal["pickle", "json", "msgpack"],
        Meta(description="Serializer of arguments and results. With json and msgpack, messages hold plain data and can't run code."),
    ] = "pickle"
    max_message_size: Annotated[int, SIZE, Meta(ge=1, description="Maximum size of a message.")] = 64 * _MIB
    wait_replicas: Annotated[
        int,
        Meta(ge=0, description="Number of replicas that must confirm a push before it returns. 0: only the primary must."),
    ] = 0
    max_pattern_channels: Annotated[
        int,
        Meta(ge=1, description='Maximum number of channels of patterns, such as [channels."tenant-*"], that one worker consumes.'),
    ] = 64
    directory: Annotated[
        Path, DIRECTORY, Meta(description="Directory of the embedded server's `.taskq` folder. Can be set only as an argument.")
    ] = msgspec.field(default_factory=Path.cwd)
    channels: Mapping[str, ChannelSettings] = msgspec.field(default_factory=_only_default)
    #: The settings of channels that match a pattern, by pattern.
    patterns: Mapping[str, ChannelSettings] = msgspec.field(default_factory=dict[str, ChannelSettings])
    origins: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        channels = self.channels if "default" in self.channels else {**_only_default(), **self.channels}
        msgspec.structs.force_setattr(self, "channels", MappingProxyType(dict(channels)))
        msgspec.structs.force_setattr(self, "patterns", MappingProxyType(dict(self.patterns)))
        msgspec.structs.force_setattr(self, "origins", MappingProxyType(dict(self.origins)))

    def channel(self, name: str) -> ChannelSettings:
        """Return the settings of `default`, or of a channel that the settings define.

        Raises:
            UnknownChannel: the settings don't define the channel.
        """
        if name in self.channels or self.pattern_of(name) is not None:
            return self.channel_or_default(name)
        hint = did_you_mean(name, [*self.channels, *self.patterns])
        raise UnknownChannel(f'unknown channel "{name}" in the settings; {hint} (define a new channel as [channels.{name}])')

    def channel_or_default(self, name: str) -> ChannelSettings:
        """Return the settings of a channel. If the settings don't define it: those of its pattern, or the defaults. Its name is its prefix.

        Raises:
            ConfigError: the name is not valid for a channel, or another channel uses it as key prefix.
        """
        if name in self.channels:
            return self.channels[name]
        check_channel_name(name)
        for other in self.channels.values():
            if other.channel == name:
                raise ConfigError(
                    f'channel "{name}" would share the key prefix "{name}" with channel "{other.name}"; '
                    f'write [channels.{name}] with another prefix, as in channel = "{name}-jobs"'
                )
        pattern = self.pattern_of(name)
        return ChannelSettings(name=name) if pattern is None else msgspec.structs.replace(self.patterns[pattern], name=name, channel=name)

    def pattern_of(self, name: str) -> str | None:
        """Return the pattern that decides the settings of a channel, or None. Of several, the longest without its `*`."""
        if name in self.channels or is_channel_pattern(name):
            return None
        found = [pattern for pattern in self.patterns if fnmatchcase(name, pattern)]
        return max(found, key=lambda pattern: (len(pattern.replace("*", "")), pattern), default=None)

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy can't be pickled, and settings may be passed to child processes.
        fields = msgspec.structs.asdict(self)
        maps = {"channels": dict(self.channels), "patterns": dict(self.patterns), "origins": dict(self.origins)}
        return _restore, (fields | maps,)

    def __repr__(self) -> str:
        secrets = f"<{len(self.secrets)} hidden>" if self.secrets else "()"
        url = mask_url(self.url) if self.url else None
        return (
            f"Settings(app={self.app!r}, imports={self.imports!r}, url={url!r}, secrets={secrets}, serializer={self.serializer!r}, "
            f"max_message_size={self.max_message_size}, wait_replicas={self.wait_replicas}, "
            f"directory={str(self.directory)!r}, channels={dict(self.channels)!r}, patterns={dict(self.patterns)!r})"
        )

    def __rich_repr__(self) -> Any:
        # By default rich prints the fields of a structure, even in tracebacks, and would show secrets.
        yield repr(self)


def _restore(fields: dict[str, Any]) -> Settings:
    return Settings(**fields)
