"""Verdicts about messages that are not run: one that can't be read fails, and one of an unknown job or version is parked."""

from __future__ import annotations

import logging

from taskq import events
from taskq.config import ChannelSettings
from taskq.context import Context
from taskq.errors import SignatureError, TaskqError
from taskq.events import Signal
from taskq.logs import log_error
from taskq.wire.ending import ending_of
from taskq.wire.history import record_of, text_of, with_record
from taskq.wire.message import Body, Message
from taskq.worker.execute.announce import Announce, event_of
from taskq.worker.execute.results import ResultPacker
from taskq.worker.execute.run import headers_of
from taskq.worker.execute.unpacker import result_ttl_of
from taskq.worker.execute.verdict import Action, Verdict

__all__ = ["Unrun"]

_log = logging.getLogger("taskq.worker")


class Unrun:
    """Decides about the messages of one channel that are not run."""

    def __init__(self, channel: ChannelSettings, results: ResultPacker, worker: str) -> None:
        self._channel = channel
        self._results = results
        self._worker = worker

    def unreadable(self, message: Message, body: Body | None, error: BaseException) -> Verdict:
        """Fail a message that can't be read, or whose arguments don't fit its job. `body` is None if not even that can be read."""
        record = record_of("failed", self._worker, message.attempts + 1, error)
        text = "message %s moved to failed: %s"
        if not isinstance(error, TaskqError) or error.__cause__ is not None:  # code of the app raised it
            reason = text_of(error) if isinstance(error, TaskqError) else record.error
            log_error(_log, text, (message.hex_id, reason), error, record.traceback, taskq_id=message.hex_id)
        else:
            _log.log(logging.WARNING if isinstance(error, SignatureError) else logging.ERROR, text, message.hex_id, text_of(error))
        ending = self._results.pack(message.id, ending_of(record), 0.0 if body is None else result_ttl_of(body))
        new = with_record(message, record, signer=self._results.signer)
        announce = self._event(events.failed, message, body, error)
        return Verdict(action=Action.FAIL, message=new, ending=ending, error=error, announce=announce)

    def parked(self, message: Message, body: Body | None, error: Exception) -> Verdict:
        """Park a message. `body` is None if this version of taskq can't read it."""
        reason = str(error)
        _log.warning("message %s parked: %s", message.hex_id, text_of(reason))
        new = with_record(message, record_of("parked", self._worker, message.attempts, reason), signer=self._results.signer)
        return Verdict(action=Action.PARK, message=new, announce=self._event(events.parked, message, body, error))

    def _event(self, signal: Signal, message: Message, body: Body | None, error: BaseException) -> Announce | None:
        if not signal.receivers:
            return None
        context = Context(
            id=message.hex_id,
            job="" if body is None else body.label,
            channel=self._channel.name,
            attempt=message.attempts + 1,
            max_attempts=self._channel.max_attempts,
            pushed_at_ms=message.pushed_at_ms,
            headers=headers_of(None if body is None else (body.options or {}).get("headers")),
        )
        return event_of(signal, context, self._worker, error=error, reason=text_of(error), ran=False)
