"""Settings: read once from arguments, the environment and a file, into frozen, typed structures.

    problem       the words of an error: the nearest valid name, a value as it was written
    urls          checking a server's URL, and showing it without its password
    values        from what was written (text, number, list) to a value: sizes, intervals, secrets
    structures    what a setting is: its type, bounds, default and help text
    fields        one table of the fields, from which values are checked and the reference is made
    entries       one written value and where it came from; arguments and tables become entries
    environment   the TASKQ_* variables become entries
    files         finding and reading taskq.toml or pyproject.toml
    loader        all of it in order of precedence

Each of these imports only from those above it.
"""

from __future__ import annotations

from taskq.config.fields import FieldDoc, field_docs
from taskq.config.loader import load_settings
from taskq.config.problem import did_you_mean, nearest
from taskq.config.structures import ChannelSettings, Settings
from taskq.config.urls import check_url, mask_url

__all__ = ["ChannelSettings", "FieldDoc", "Settings", "check_url", "did_you_mean", "field_docs", "load_settings", "mask_url", "nearest"]
