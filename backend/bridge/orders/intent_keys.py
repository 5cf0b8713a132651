"""Intents of new orders: their keys, fingerprints and stored refusals."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from backend.errors import ApiError, FieldError
from backend.ports.journal import Intent
from backend.schemas.common import utc_now

_LATER_FIELDS: Mapping[str, object] = {
    "time_in_force": "GTC",
    "post_only": False,
    "valid_until": None,
}


class EarlierRefusal(ApiError):
    """The refusal of the same intent's first placement."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        fields = [FieldError(*field) for field in answer.get("fields", ())]
        super().__init__(answer.get("details"), fields=fields)
        self.status = int(answer["status"])
        self.type = str(answer["type"])


def refusal_json(error: ApiError) -> dict[str, Any]:
    """Serialize a refusal for the journal, so that it can be returned again."""
    return {
        "status": error.status,
        "type": error.type,
        "details": error.details,
        "fields": [list(field) for field in error.fields],
    }


def new_intent(
    content: Mapping[str, Any],
    *,
    account: str,
    user_id: str,
    idempotency_key: str | None,
    client_order_id: str | None,
) -> Intent:
    """Return the intent of a request, under an order id of its own.

    `content` is the request's JSON: requests of one key must have the same. Its values
    that are not None become the requested order.
    """
    keys = []
    if idempotency_key is not None:
        keys.append(f"header:{idempotency_key}")
    if client_order_id is not None:
        keys.append(f"client:{client_order_id}")
    return Intent(
        order_id=str(uuid.uuid4()),
        user_id=user_id,
        keys=tuple(keys),
        fingerprint=_fingerprint(content),
        request={name: value for name, value in content.items() if value is not None},
        account=account,
        created_at=utc_now(),
    )


def _fingerprint(content: Mapping[str, Any]) -> str:
    # a request without these fields has the fingerprint that earlier versions stored
    given = {
        name: value
        for name, value in content.items()
        if name not in _LATER_FIELDS or value != _LATER_FIELDS[name]
    }
    return hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).hexdigest()
