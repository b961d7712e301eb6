"""Settings: read once from the arguments, the environment and a file, into frozen, typed structures.

    suggestions   parts of error messages: "did you mean", and a value as the user wrote it
    urls          check a server's URL, and mask its password
    durations     read durations: "30s", "1h30m"
    values        read values (text, number, list): sizes, retry delays, secrets
    structures    the settings: types, bounds, defaults and help texts
    fields        a table of all settings, which checks values and generates the reference
    entries       entries: one written value and its origin; made from arguments and TOML tables
    owners        the users whose files and servers are trusted
    environment   entries from the TASKQ_* variables
    systemd       the variables of systemd, removed while a worker runs
    files         find and read taskq.toml or pyproject.toml
    modules       find the modules that a pattern of `imports` matches
    loader        merge the entries of all sources, in order of precedence

Each of these imports only from those above it.
"""

from __future__ import annotations

from taskq.config.durations import seconds_from
from taskq.config.environment import breakpoint_variable, named_directory
from taskq.config.fields import FieldDoc, field_docs
from taskq.config.loader import load_settings, working_directory
from taskq.config.owners import OWNERS_VARIABLE, is_trusted, owner_text
from taskq.config.structures import ChannelSettings, Settings
from taskq.config.suggestions import did_you_mean, nearest, no_option
from taskq.config.systemd import NotifySocket, notify_socket
from taskq.config.urls import check_url, mask_url

__all__ = [
    "OWNERS_VARIABLE",
    "ChannelSettings",
    "FieldDoc",
    "NotifySocket",
    "Settings",
    "breakpoint_variable",
    "check_url",
    "did_you_mean",
    "field_docs",
    "is_trusted",
    "load_settings",
    "mask_url",
    "named_directory",
    "nearest",
    "no_option",
    "notify_socket",
    "owner_text",
    "seconds_from",
    "working_directory",
]
