"""A web app that answers at once and leaves the work to a worker.

pip install fastapi uvicorn
uvicorn app:app                                                        the web server
taskq worker jobs                                                      in a second terminal: the worker
curl -d '{"text": "to be or not to be"}' -H 'Content-Type: application/json' localhost:8000/texts
curl localhost:8000/texts/ID                                           the ID is in the answer of the first
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from jobs import RESULTS, count_words, queue
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await queue.aclose()


app = FastAPI(lifespan=lifespan)


class Text(BaseModel):
    text: str
    delay: float = 0


@app.post("/texts", status_code=202)
async def take(body: Text) -> dict[str, str]:
    """Push a job without blocking the event loop, and tell its id."""
    handle = await count_words.apush(body.text, delay=body.delay)
    return {"id": handle.id}


@app.get("/texts/{message_id}")
async def result(message_id: str) -> dict[str, Any]:
    """Tell the result, once the worker has written it."""
    path = RESULTS / f"{message_id}.json"
    if not message_id.isalnum() or not path.exists():
        raise HTTPException(404, "no result: the job hasn't run yet, or there is no such job")
    counts: dict[str, Any] = json.loads(path.read_text())
    return counts
