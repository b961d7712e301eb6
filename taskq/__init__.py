"""A job queue on Redis or Valkey."""

from __future__ import annotations

__version__ = "0.1.0"
