"""The job of the web app: app.py shows how to run both."""

from __future__ import annotations

from collections import Counter

import taskq

queue = taskq.Queue()


@queue.job(result_ttl=3600, max_attempts=5, retry_seconds=[1, 5, 30], serializer="json")
def count_words(text: str) -> dict[str, int]:
    """Count how often each word occurs. The server stores the result for an hour."""
    return dict(Counter(text.lower().split()).most_common())
