"""The audit: who changed what, who logged in, who was refused."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from backend.schemas.common import Model, UtcTime


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
        description="Who acted or tried to; a name that nobody bears is masked."
    )
    address: str
    method: str
    path: str
    status: int = Field(description="Status code of the answer.", examples=[201])
    outcome: str = Field(description="`ok`, or the `type` of the error.", examples=["ok"])
    request_id: str
