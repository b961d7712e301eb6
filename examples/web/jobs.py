"""The jobs of the web app beside: see app.py for how to run them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import taskq

queue = taskq.Queue()
RESULTS = Path(__file__).parent / "results"


@queue.job(max_attempts=5, retry_seconds=[1, 5, 30])
def count_words(text: str) -> None:
    """Count how often each word occurs, and write that to a file with the message's id."""
    RESULTS.mkdir(exist_ok=True)
    counts = Counter(text.lower().split())
    target = RESULTS / f"{taskq.current().id}.json"
    # A reader must never see half a file, also when the job is run twice.
    half = target.with_suffix(".half")
    half.write_text(json.dumps(dict(counts.most_common())))
    half.rename(target)
