"""A web app that streams answers word by word: a generator job, read through Server-Sent Events.

pip install fastapi uvicorn
uvicorn app:app                                                        the web server
taskq worker jobs                                                      the worker, in a second terminal
curl -N 'localhost:8000/answer?question=why'                           prints each word as soon as the job yields it
curl -N -H 'Last-Event-ID: 7' localhost:8000/answers/ID                continues after the seventh word, as browsers do automatically
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from jobs import answer, queue

import taskq
from taskq.errors import SignatureError


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await queue.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/answer")
async def ask(question: str) -> StreamingResponse:
    """Push the job, and send its items as they arrive."""
    return _response(await answer.apush(question), 0)


@app.get("/answers/{message_id}")
async def resume(message_id: str, last_event_id: Annotated[int, Header(ge=0, le=2**53)] = 0) -> StreamingResponse:
    """Send the rest of an answer: after a lost connection, EventSource sends the id of its last event."""
    try:
        handle = queue.handle(message_id)
    except taskq.ArgumentsError as error:
        raise HTTPException(404, str(error)) from None
    return _response(handle, last_event_id)


def _response(handle: taskq.Handle[Any], after: int) -> StreamingResponse:
    headers = {"X-Message-ID": handle.id, "Cache-Control": "no-store"}
    return StreamingResponse(_events(handle, after), media_type="text/event-stream", headers=headers)


async def _events(handle: taskq.Handle[Any], after: int) -> AsyncIterator[str]:
    stream = handle.astream(after=after, timeout=60)
    while True:
        try:
            async for word in stream:
                yield f"id: {stream.position}\ndata: {json.dumps(word)}\n\n"
            yield "event: end\ndata:\n\n"
            return
        except taskq.StreamRestarted:  # the worker crashed, or the job is retried: the page must clear its text
            yield f"id: {stream.position}\nevent: restart\ndata:\n\n"
        except (taskq.ResultError, SignatureError) as error:  # SignatureError: the worker has another secret
            yield f"event: failed\ndata: {json.dumps(str(error))}\n\n"
            return
