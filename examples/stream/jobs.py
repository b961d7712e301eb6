"""The job of the streaming app: app.py shows how to run both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import taskq

queue = taskq.Queue()

_ANSWER = "Forty-two, as you would know if you had asked the right question."


@queue.job(result_ttl=600, handle_timeout=60, max_attempts=2, serializer="json")
async def answer(question: str) -> AsyncIterator[str]:
    """Yield an answer word by word, as a language model does. Replace the loop with a call of your model."""
    words = f"You ask: {question} {_ANSWER}".split()
    for number, word in enumerate(words, 1):
        await asyncio.sleep(0.02)
        taskq.progress(number, len(words))
        yield word
