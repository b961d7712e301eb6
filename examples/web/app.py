"""A web app that answers at once and leaves the work to a worker.

pip install fastapi uvicorn
uvicorn app:app                                                        the web server
taskq worker jobs                                                      the worker, in a second terminal
curl -d '{"text": "to be or not to be"}' -H 'Content-Type: application/json' localhost:8000/texts
curl localhost:8000/texts/ID                                           with the id from the first reply
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from jobs import count_words, queue
from pydantic import BaseModel

import taskq


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await queue.aclose()


app = FastAPI(lifespan=lifespan)


class Text(BaseModel):
    text: str
    delay: float = 0


@app.post("/texts", status_code=202)
async def submit(body: Text) -> dict[str, str]:
    """Push a job without blocking the event loop, and return its id."""
    handle = await count_words.apush(body.text, delay=body.delay)
    return {"id": handle.id}


@app.get("/texts/{message_id}")
async def result(message_id: str) -> dict[str, int]:
    """Return the result, if the job has finished."""
    try:
        counts: dict[str, int] = await queue.handle(message_id).aresult(timeout=0)
    except taskq.ArgumentsError as error:
        raise HTTPException(404, str(error)) from None
    except taskq.ResultTimeout:
        raise HTTPException(404, "the job hasn't finished yet") from None
    except taskq.NoResult:
        raise HTTPException(404, "there is no such job, or its result has expired") from None
    except (taskq.JobFailed, taskq.ResultCancelled) as error:
        raise HTTPException(500, str(error)) from None
    return counts
