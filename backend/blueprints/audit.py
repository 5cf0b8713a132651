"""Routes of the audit trail, for administrators."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.middleware.auth import requires
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.pagination import decode_cursor, encode_cursor
from backend.schemas.audit import AuditEntry, AuditQuery
from backend.schemas.common import Page, Pagination, Problem
from backend.services import services
from backend.store import audit as entries

audit = Blueprint("audit", __name__, url_prefix="/audit")


@audit.get("")
@requires("audit:read")
@limited("query")
@api.validate(
    resp=Response(HTTP_200=Page[AuditEntry], HTTP_401=Problem, HTTP_403=Problem), tags=["audit"]
)
def list_entries(query: AuditQuery) -> Page[AuditEntry]:
    """List changes, logins and refusals, newest first."""
    before = decode_cursor("audit", query.cursor)
    services().host.call_blocking(services().audit.flush, 1.0)  # with all earlier entries
    wanted = entries.Filters(query.user, query.action, query.outcome, query.since, query.until)
    rows = services().database.read(entries.list_entries, query.limit + 1, before, wanted)
    shown, more = rows[: query.limit], rows[query.limit :]
    cursor = encode_cursor("audit", shown[-1].id) if more else None
    return Page(
        data=[AuditEntry.model_validate(row) for row in shown],
        pagination=Pagination(limit=query.limit, next_cursor=cursor),
    )
