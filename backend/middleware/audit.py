"""Audit trail: changes, logins and refusals, with their principals, in the store and the log."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import orjson
import structlog
from flask import Flask, Request, Response, current_app, g
from sqlalchemy.exc import OperationalError

from backend.errors import ApiError, AuthenticationFailed, InvalidToken, RateLimitsAway
from backend.identity import Principal
from backend.middleware.auth import rule_of
from backend.middleware.errors import response_error
from backend.middleware.headers import request_id
from backend.middleware.request_context import current_request
from backend.observability.logs import AUDIT, LONGEST_PATH
from backend.observability.masking import mask_text, mask_value
from backend.schemas.common import utc_now
from backend.services import services
from backend.store import Database, audit
from backend.store.audit import NewEntry

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_WAITING = 10_000
REPEAT_S = 60.0
_LARGEST_BATCH = 500
_STORED_AT_ONCE = 50  # orders wait for the database meanwhile: some milliseconds
_OTHERS_TURN_S = 0.001
_GATHERED_S = 0.2
_MOST_REMEMBERED = 4096
_RETRY_S = 0.5
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LARGEST_CHANGE = 16_384
_BODY_KEY = "backend.audit_body"
_log = structlog.get_logger(__name__)


class Audit:
    """Background writer of audit entries, in their order.

    At most `MOST_WAITING` wait; beyond that entries go to the log alone, and the log says so.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # once: finding the configuration anew costs as much as the line
        self._log = structlog.get_logger(AUDIT).bind()
        self._waiting: queue.Queue[NewEntry | threading.Event] = queue.Queue(MOST_WAITING)
        self._closing = threading.Event()
        self._hurry = threading.Event()
        self._refusals: dict[tuple[str, str, int], float] = {}
        self._writer = threading.Thread(target=self._write, name="audit", daemon=True)
        self._writer.start()

    def record(self, entry: NewEntry) -> None:
        """Log an entry and queue it for the writer; never waits."""
        self._log.info("audit", **{**entry._asdict(), "occurred_at": entry.occurred_at})
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            _log.error("audit entry not stored: too many wait", request_id=entry.request_id)

    def is_repeat(self, caller: str, action: str, status: int) -> bool:
        """Return whether the same refusal was checked less than a minute ago.

        Being refused costs a caller nothing: storing each refusal would let anybody fill the disk.
        """
        now = time.monotonic()
        key = (caller, action, status)
        if now - self._refusals.get(key, -REPEAT_S) < REPEAT_S:
            return True
        if len(self._refusals) >= _MOST_REMEMBERED:
            self._refusals = {}
        self._refusals[key] = now
        return False

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything recorded before is stored; False on timeout."""
        written = threading.Event()
        try:
            self._waiting.put(written, timeout=timeout_s)
        except queue.Full:
            return False
        self._hurry.set()
        return written.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Store the queued entries and end the writer."""
        if not self._closing.is_set():
            self._closing.set()
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(threading.Event())  # wakes the writer
            self._hurry.set()
            self._writer.join(timeout_s)

    def _write(self) -> None:
        while not (self._closing.is_set() and self._waiting.empty()):
            batch = list(self._batch())
            entries = [item for item in batch if isinstance(item, NewEntry)]
            for first in range(0, len(entries), _STORED_AT_ONCE):
                self._store(entries[first : first + _STORED_AT_ONCE])
                time.sleep(_OTHERS_TURN_S)
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()

    def _batch(self) -> Iterator[NewEntry | threading.Event]:
        """Collect entries for a moment, or until a caller waits for them.

        Single entries would block the orders' journal after each request, and waking
        the writer for each would cost that request as much as the rest of its entry.
        """
        yield (item := self._waiting.get())
        if not isinstance(item, threading.Event):
            self._hurry.wait(_GATHERED_S)
        self._hurry.clear()
        with contextlib.suppress(queue.Empty):
            for _ in range(_LARGEST_BATCH - 1):
                yield self._waiting.get_nowait()

    def _store(self, entries: list[NewEntry]) -> None:
        while True:
            try:
                with self._database.transaction() as session:
                    audit.append(session, entries)
                return
            except OperationalError:
                _log.warning("audit waits for the database", entries=len(entries))
                if self._closing.wait(_RETRY_S):
                    break
            except Exception as error:  # whatever one entry does, the thread goes on with others
                if len(entries) > 1:
                    for entry in entries:
                        self._store([entry])
                    return
                _log.error("audit entry not stored", exc_info=error)
                break
        _log.error("audit entries lost to the store", entries=len(entries))


def set_audit_body(environ: WSGIEnvironment, body: bytes) -> None:
    """Store a request's validated JSON body for its audit entry."""
    environ[_BODY_KEY] = body


def install_audit(app: Flask) -> None:
    """Record every relevant request in the app's audit trail."""
    app.after_request(_observe)


def _observe(response: Response) -> Response:
    incoming, status = current_request(), response.status_code
    if incoming.method in _SAFE and status < 400:  # covers nearly all requests
        return response
    if incoming.endpoint is not None:
        principal: Principal | None = g.get("principal")
        answered = _AnsweredRequest(incoming, status, principal, response_error(incoming.environ))
        if _is_audited(answered):
            services().audit.record(_entry(answered))
    return response


class _AnsweredRequest(NamedTuple):
    """A request with its response's status and error."""

    request: Request
    status: int
    principal: Principal | None
    error: ApiError | None

    @property
    def action(self) -> str:
        return str(self.request.endpoint)


def _is_audited(answered: _AnsweredRequest) -> bool:
    """Return whether to record this: changes, logins, and refusals of each kind once a minute."""
    is_token_refused = isinstance(answered.error, InvalidToken)
    if answered.request.method in _SAFE and answered.status != 403 and not is_token_refused:
        return False
    if not _is_refusal(answered):
        return True
    caller = (
        answered.principal.user_id if answered.principal else answered.request.remote_addr or ""
    )
    return not services().audit.is_repeat(caller, answered.action, answered.status)


def _is_refusal(answered: _AnsweredRequest) -> bool:
    """Return whether the caller was refused before the view; failed logins have a cost."""
    if isinstance(answered.error, RateLimitsAway) or answered.status in (403, 429):
        return True
    if answered.status != 401:
        return False
    rule = rule_of(current_app, answered.action)
    return not (rule and rule.public)


def _entry(answered: _AnsweredRequest) -> NewEntry:
    request, principal, error = answered.request, answered.principal, answered.error
    return NewEntry(
        occurred_at=utc_now(),
        action=answered.action,
        user_id=principal.user_id if principal else None,
        username=principal.actor if principal else _attempted_username(error),
        address=request.remote_addr or "",
        method=request.method,
        path=mask_text(request.path, LONGEST_PATH),
        status=answered.status,
        outcome=error.type if error else "ok",
        request_id=request_id(request.environ),
        change=_change(request.environ) if principal else None,
    )


def _change(environ: WSGIEnvironment) -> str | None:
    """Return the request's body, secrets masked; None if the view took none."""
    body: bytes | None = environ.get(_BODY_KEY)
    if not body:
        return None
    if len(body) > _LARGEST_CHANGE:
        return f"{len(body)} bytes"
    return orjson.dumps(mask_value("", orjson.loads(body))).decode()


def _attempted_username(error: ApiError | None) -> str | None:
    if not isinstance(error, AuthenticationFailed) or error.username is None:
        return None
    return mask_text(error.username)
