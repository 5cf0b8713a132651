"""Models of the audit: changes, logins and refusals."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from backend.schemas.common import AwareTime, Model, PageQuery, UtcTime


class AuditQuery(PageQuery):
    """Filters of the audit."""

    user: str | None = Field(
        None, pattern=r"^[!-~]{1,64}$", description="Name or id of a user.", examples=["admin"]
    )
    action: str | None = Field(None, pattern=r"^[a-z_.]{1,64}$", examples=["orders.create_order"])
    outcome: str | None = Field(
        None,
        pattern=r"^[a-z_]{1,64}$",
        description="`ok`, or the `type` of an error.",
        examples=["ok"],
    )
    since: AwareTime | None = Field(None, description="Occurred at or after this time.")
    until: AwareTime | None = Field(None, description="Occurred before this time.")


class AuditEntry(Model):
    """One request and how it ended."""

    model_config = ConfigDict(from_attributes=True, coerce_numbers_to_str=True)

    id: str
    occurred_at: UtcTime
    action: str = Field(
        description="The route's name: resource and verb.", examples=["orders.create_order"]
    )
    user_id: str | None = Field(description="Null when nobody was logged in.")
    username: str | None = Field(
        description="Who acted or tried to, and the beginning of their API key if it was by one; "
        "a name that nobody bears is masked."
    )
    address: str
    method: str
    path: str
    status: int = Field(description="Status code of the answer.", examples=[201])
    outcome: str = Field(description="`ok`, or the `type` of the error.", examples=["ok"])
    request_id: str
    change: str | None = Field(
        description="What was asked for, as JSON, secrets masked, cut at 2000 characters.",
        examples=['{"symbol": "BTC/USDT", "side": "buy"}'],
    )
    hash: str = Field(description="SHA-256 over the hash of the entry before and all of this one.")
