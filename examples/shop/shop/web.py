"""The web application: it pushes a job, answers at once, and later shows the result."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response

import taskq
from shop.background import queue
from shop.orders.jobs import pay
from shop.orders.models import Order, Receipt


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await queue.aclose()


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def name_the_request(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Every job that this request pushes gets its id as a header."""
    with queue.headers({"request-id": request.headers.get("x-request-id") or uuid.uuid4().hex}):
        return await call_next(request)


@app.post("/orders", status_code=202)
async def order(body: Order) -> dict[str, str]:
    handle = await pay.apush(body)
    return {"id": handle.id}


@app.get("/orders/{message_id}")
async def receipt(message_id: str) -> Receipt:
    try:
        paid: Receipt = await queue.handle(message_id).aresult(timeout=0)  # as plain data: FastAPI rebuilds it from the annotation
    except (taskq.ArgumentsError, taskq.NoResult):
        raise HTTPException(404, "there is no such order") from None
    except taskq.ResultTimeout:
        raise HTTPException(425, "not paid yet") from None
    except taskq.JobFailed as error:
        raise HTTPException(402, str(error)) from None
    return paid
