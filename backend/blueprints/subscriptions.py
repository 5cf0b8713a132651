"""What of the streams a caller may follow: topics by scope, symbols by what is traded."""

from __future__ import annotations

from collections.abc import Iterable

from backend.errors import BotNotReady, FieldError, Forbidden, InvalidSymbol
from backend.identity.roles import Scope
from backend.middleware.auth import current_principal
from backend.schemas.events import Topic
from backend.services import services

SCOPES: dict[Topic, Scope] = {
    "prices": "markets:read",
    "candles": "markets:read",
    "orders": "orders:read",
    "trades": "trades:read",
    "positions": "orders:read",
    "portfolio": "portfolio:read",
    "bot": "bot:read",
}


def readable(topics: Iterable[Topic]) -> tuple[Topic, ...]:
    """Pick what the caller may read; raises `Forbidden` when that is nothing."""
    scopes = current_principal().scopes
    chosen = tuple(topic for topic in topics if SCOPES[topic] in scopes)
    if not chosen:
        raise Forbidden("the caller may read none of the topics")
    return chosen


def require_topics(topics: tuple[Topic, ...]) -> tuple[Topic, ...]:
    """Return the topics; raises `Forbidden` unless the caller may read them all."""
    missing = {SCOPES[topic] for topic in topics} - current_principal().scopes
    if missing:
        raise Forbidden(f"these topics take the scopes {', '.join(sorted(missing))}")
    return topics


def require_symbols(symbols: frozenset[str] | None) -> None:
    """Raise `InvalidSymbol` for what the bot does not trade."""
    if symbols is None:
        return
    try:
        exchanges = services().bridge.markets.exchanges()
    except BotNotReady:
        return  # streams outlive a bot's restart: nobody is turned away because of one
    unknown = symbols.difference(*(exchange.symbols for exchange in exchanges))
    if unknown:
        names = ", ".join(sorted(unknown))
        raise InvalidSymbol(
            f"not traded here: {names}", fields=[FieldError("symbols", f"not traded here: {names}")]
        )
