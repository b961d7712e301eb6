"""Handles and the other objects that belong to one process."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import taskq
from taskq import Queue
from taskq.errors import SerializationError

ID = "0" * 32


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda queue: queue.handle(ID), r"cannot pickle a Handle: .*handle\.id.* queue\.handle\(id, 'default'\)"),
        (lambda queue: [queue.handle(ID)], r"argument 'what' of shop:job \(list\) .*cannot pickle a Handle: "),
        (lambda queue: queue.handle(ID).stream(), r"cannot pickle an open stream: pass the id and channel of its handle"),
        (lambda queue: queue.handle(ID).astream(), r"cannot pickle an open stream: pass the id and channel of its handle"),
        (lambda queue: queue.buffer(), r"cannot pickle a Buffer: its messages are sent by the `with` block"),
        (lambda queue: queue, r"cannot pickle a Queue: .*Import it inside the function"),
    ],
    ids=["handle", "list", "stream", "astream", "buffer", "queue"],
)
def test_an_object_of_taskq_as_an_argument_is_refused_with_its_own_remedy(make: Any, text: str) -> None:
    """Given an object that belongs to this process as an argument, then the push is refused, and the error says what to pass instead."""
    queue = Queue("unix:///nowhere.sock")

    def job(what: object) -> None: ...

    with pytest.raises(SerializationError, match=text):
        queue.job(job, name="shop:job").push(make(queue))


def test_a_handle_can_be_copied() -> None:
    """Given a handle, which can't be pickled, then a copy of it is equal."""
    handle = Queue("unix:///nowhere.sock").handle(ID)
    assert copy.copy(handle) == handle


def test_the_state_as_an_argument_is_that_of_the_worker() -> None:
    """Given `taskq.state` in a pickle, then it arrives as the state of the process that reads it, without its values."""
    assert pickle.loads(pickle.dumps({"state": taskq.state}))["state"] is taskq.state
