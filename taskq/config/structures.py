"""What a setting is: its type, its bounds, its default, and the text that the settings reference prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from taskq.channel import check_channel_name
from taskq.clock import MAX_DELAY
from taskq.config.problem import did_you_mean
from taskq.config.urls import mask_url
from taskq.config.values import APP, DIRECTORY, DRIVER, INTERVALS, PREFIX, SECONDS, SECRETS, SIZE, URL
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
    driver: Annotated[str, DRIVER, Meta(description='What stores the messages: "redis", or a class that meets the driver contract.')] = (
        "redis"
    )
    channel: Annotated[
        str, PREFIX, Meta(description="The prefix of the channel's keys in Redis. No two channels may have the same one.")
    ] = ""
    retry_seconds: Annotated[
        Intervals,
        Meta(
            description="Seconds from a failed attempt to the next. A list gives them one by one, and its last is used for all that follow."
        ),
    ] = 5.0
    processes: Annotated[Count, Meta(description="How many processes of one worker run the channel's jobs.")] = 1
    concurrency: Annotated[
        int, Meta(ge=1, le=1000, description="Jobs at once in one process: coroutine jobs on one event loop, others in threads.")
    ] = 1
    handle_timeout: Annotated[Seconds, Meta(description="Seconds a job may run. 0: no limit.")] = 0.0
    max_attempts: Annotated[int, Meta(ge=1, le=65535, description="How often a job is run, the first time included.")] = 3
    max_messages: Annotated[int, Meta(ge=0, description="A process is replaced after this many jobs. 0: never.")] = 0
    max_memory: Annotated[
        int, SIZE, Meta(ge=0, description="A process is replaced when its resident memory is above this size. 0: never.")
    ] = 0
    stop_timeout: Annotated[Seconds, Meta(description="Seconds a running job gets to end when the worker is stopped.")] = 30.0
    lease: Annotated[
        float,
        SECONDS,
        Meta(ge=1, le=MAX_DELAY, description="Seconds without a heartbeat after which a worker counts as dead."),
    ] = 15.0
    on_lost: Annotated[
        Literal["retry", "timeout"],
        Meta(description='A job whose worker died: "retry" runs it again, "timeout" keeps it aside for a person to decide.'),
    ] = "retry"
    max_crashes: Annotated[
        int, Meta(ge=0, le=250, description="How often a job may crash its process and still be run again. One more: failed.")
    ] = 3
    # A Redis list holds no more than this, and a script would not keep a greater number exact.
    failed_limit: Annotated[
        int, Meta(ge=1, le=2**32 - 1, description="How many messages `failed` and `timeout` keep, each. The oldest go first.")
    ] = 10_000
    failed_ttl: Annotated[Seconds, Meta(description="Seconds that `failed` and `timeout` keep a message. 0: for ever.")] = _MONTH

    def __post_init__(self) -> None:
        if not self.channel:
            msgspec.structs.force_setattr(self, "channel", "queue" if self.name == "default" else self.name)


def _only_default() -> dict[str, ChannelSettings]:
    return {"default": ChannelSettings(name="default")}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of one queue, read and checked."""

    app: Annotated[
        str | None,
        APP,
        Meta(description='What the worker loads. "shop.jobs:queue" names a queue, "shop.jobs" finds the one in the module.'),
    ] = None
    url: Annotated[
        str | None,
        URL,
        Meta(description="The server. Also rediss://, unix://, redis+sentinel:// and redis+cluster://."),
    ] = None
    secrets: Annotated[
        tuple[str, ...],
        SECRETS,
        Meta(
            description="Signs every message; unsigned ones are refused. Of several the first signs and all are accepted. Never in a file."
        ),
    ] = ()
    serializer: Annotated[
        Literal["pickle", "json", "msgpack"],
        Meta(description="How arguments are written. json and msgpack carry data only and can't execute anything."),
    ] = "pickle"
    max_message_size: Annotated[int, SIZE, Meta(ge=1, description="The largest message that can be pushed.")] = 64 * _MIB
    wait_replicas: Annotated[
        int,
        Meta(ge=0, description="How many replicas must confirm a push before it returns. 0: the answer of the master is enough."),
    ] = 0
    directory: Annotated[Path, DIRECTORY, Meta(description="Where the embedded server keeps its `.taskq` folder. Only as an argument.")] = (
        msgspec.field(default_factory=Path.cwd)
    )
    channels: Mapping[str, ChannelSettings] = msgspec.field(default_factory=_only_default)
    origins: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        channels = self.channels if "default" in self.channels else {**_only_default(), **self.channels}
        msgspec.structs.force_setattr(self, "channels", MappingProxyType(dict(channels)))
        msgspec.structs.force_setattr(self, "origins", MappingProxyType(dict(self.origins)))

    def channel(self, name: str) -> ChannelSettings:
        """Return the settings of a channel that is written, or of `default`.

        Raises:
            UnknownChannel: no channel of that name is written in the settings.
        """
        settings = self.channels.get(name)
        if settings is not None:
            return settings
        hint = did_you_mean(name, self.channels)
        raise UnknownChannel(f'no channel "{name}" in the settings; {hint} (a new one is written in the settings, as [channels.{name}])')

    def channel_or_default(self, name: str) -> ChannelSettings:
        """Return the settings of a channel; one that is not written has its defaults, with its name as key prefix.

        Raises:
            ConfigError: the text can't name a channel, or a written channel uses it as key prefix.
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
        return ChannelSettings(name=name)

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy can't be pickled, and child processes may be handed their settings.
        fields = msgspec.structs.asdict(self)
        return _restore, ({**fields, "channels": dict(self.channels), "origins": dict(self.origins)},)

    def __repr__(self) -> str:
        secrets = f"<{len(self.secrets)} hidden>" if self.secrets else "()"
        url = mask_url(self.url) if self.url else None
        return (
            f"Settings(app={self.app!r}, url={url!r}, secrets={secrets}, serializer={self.serializer!r}, "
            f"max_message_size={self.max_message_size}, wait_replicas={self.wait_replicas}, "
            f"directory={str(self.directory)!r}, channels={dict(self.channels)!r})"
        )

    def __rich_repr__(self) -> Any:
        # rich prints the fields of a structure by itself, in tracebacks too: there as well no secret may show.
        yield repr(self)


def _restore(fields: dict[str, Any]) -> Settings:
    return Settings(**fields)
