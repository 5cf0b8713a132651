"""Rate limits as the contract tells them: the budgets, their settings, and the headers."""

from __future__ import annotations

from backend.services import RateClass
from backend.settings.model import Settings

RATE_HEADERS = {
    "RateLimit-Limit": "Requests of this kind that the window allows",
    "RateLimit-Remaining": "Requests that are left in the window",
    "RateLimit-Reset": "Seconds until the window ends",
    "RateLimit-Policy": 'The budget, its quota and window in seconds: `"trade";q=10;w=60`',
    "RateLimit": 'The budget, what is left of it and seconds until it is full: `"trade";r=7;t=42`',
}
_BUDGETS: dict[RateClass, str] = {
    "trade": "Of a user: new orders; a batch counts as many times as it has orders",
    "amend": "Of a user: changing and canceling single orders, leverage and margin of positions",
    "brake": "Of a user and each of these routes by itself: canceling all orders, the dead-man "
    "switch, pause, stop, risk limits, closing a position",
    "config": "Of a user: configuration, users, sessions, keys, starting and resuming the bot, "
    "reading balances anew",
    "query": "Of a user: everything that only reads, streams too",
    "login": "Of an address: logins, mailed codes, registration",
    "proof": "Of a session: step-ups, password changes, confirmations of a second factor",
    "refresh": "Of a session",
}
_ADDRESS = "Of an address: all requests together; brakes are counted apart from the rest"


def _budget(kind: str, counts: str) -> dict[str, str]:
    name = f"rate_limit_{kind}"
    default = Settings.model_fields[name].default
    return {"counts": counts, "setting": f"BACKEND_{name.upper()}", "default": default}


RATE_LIMITS = {
    kind: _budget(kind, counts) for kind, counts in [*_BUDGETS.items(), ("address", _ADDRESS)]
}
