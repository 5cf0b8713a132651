"""Authorization of streams: topics by scope, symbols by traded markets, until a token expires."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from backend.errors import BotNotReady, FieldError, Forbidden, InvalidSymbol
from backend.identity import Principal
from backend.schemas.auth import Scope
from backend.schemas.topics import Topic
from backend.services import services
from backend.streams import StreamOwner

SCOPES: dict[Topic, Scope] = {
    "prices": "markets:read",
    "candles": "markets:read",
    "order_book": "markets:read",
    "orders": "orders:read",
    "trades": "trades:read",
    "positions": "orders:read",
    "portfolio": "portfolio:read",
    "bot": "bot:read",
    "evaluators": "bot:read",
    "notifications": "bot:read",
    "logs": "logs:read",
}


def readable(topics: Iterable[Topic], principal: Principal) -> tuple[Topic, ...]:
    """Return the topics that a principal may read; raises `Forbidden` when there are none."""
    chosen = tuple(topic for topic in topics if SCOPES[topic] in principal.scopes)
    if not chosen:
        raise Forbidden("the caller may read none of the topics")
    return chosen


def require_topics(topics: tuple[Topic, ...], principal: Principal) -> tuple[Topic, ...]:
    """Return the topics; raises `Forbidden` for a principal who may not read them all."""
    missing = {SCOPES[topic] for topic in topics} - principal.scopes
    if missing:
        raise Forbidden(f"these topics take the scopes {', '.join(sorted(missing))}")
    return topics


def require_symbols(symbols: frozenset[str] | None) -> frozenset[str] | None:
    """Return the symbols; raises `InvalidSymbol` for symbols that the bot does not trade."""
    if symbols is None:
        return None
    try:
        exchanges = services().bridge.markets.exchanges()
    except BotNotReady:
        return symbols  # streams outlive a bot's restart: no client is refused because of one
    unknown = symbols.difference(*(exchange.symbols for exchange in exchanges))
    if unknown:
        names = ", ".join(sorted(unknown))
        raise InvalidSymbol(
            f"not traded here: {names}", fields=[FieldError("symbols", f"not traded here: {names}")]
        )
    return symbols


def stream_owner(principal: Principal) -> StreamOwner:
    """Return a principal as the owner of a stream, with the expiry of its token."""
    return StreamOwner(
        principal.user_id,
        principal.expires_at.timestamp(),
        partial(services().identity.may_stream, principal),
    )
