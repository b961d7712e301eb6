"""The settings of a reloaded app: what a rolling restart changes in the channels, and the changes that it refuses."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from taskq.config import ChannelSettings, Settings
from taskq.errors import ConfigError

__all__ = ["changed_settings", "check_changes"]

#: Old and new processes of a channel must agree on these.
_FIXED = ("channel", "driver", "lease")


def check_changes(
    old: Settings, new: Settings, old_channels: Mapping[str, ChannelSettings], new_channels: Mapping[str, ChannelSettings]
) -> None:
    """Refuse changes that a running worker can't make.

    Raises:
        ConfigError: such a setting has changed.
    """
    if old.url != new.url:
        raise ConfigError("the server's url has changed; restart the worker")
    if new.url is None and old.directory != new.directory:
        raise ConfigError(
            f"the project is now in {new.directory}, and the embedded server in {old.directory}: set `directory` or `url` for all releases"
        )
    for name, settings in new_channels.items():
        if name in old_channels and (fixed := set(changed_settings(old_channels[name], settings)).intersection(_FIXED)):
            raise ConfigError(f"channel {name}: changed {' and '.join(sorted(fixed))}; restart the worker to apply this")


def changed_settings(old: ChannelSettings, new: ChannelSettings) -> list[str]:
    """Return the names of the settings that differ."""
    return [name for name in msgspec.structs.asdict(new) if getattr(old, name) != getattr(new, name)]
