"""Last published state of each position, and the events of its changes."""

from __future__ import annotations

from collections.abc import Mapping

from backend.bridge.read_models.event_data import event_data
from backend.ports.events import Event
from backend.schemas.positions import Position

_EVENT_FIELDS = {"side", "quantity", "entry_price", "realized_pnl", "leverage", "margin_mode"}


class PositionEvents:
    """Positions in their last published state.

    A moving price is no position event: prices have their own events. Used on the bot's loop only.
    """

    def __init__(self) -> None:
        self._known: dict[str, Position] = {}

    def record(self, position: Position) -> None:
        """Record a position without an event."""
        self._known[_key(position)] = position

    def forget(self, exchange: str) -> None:
        """Forget the positions of an exchange."""
        self._known = {k: p for k, p in self._known.items() if p.exchange != exchange}

    def snapshot(self) -> Mapping[str, tuple[str | None, bytes]]:
        """Return the open positions by key, for the streams' snapshot."""
        return {
            key: (position.symbol, position.model_dump_json().encode())
            for key, position in self._known.items()
            if position.side is not None
        }

    def update(self, position: Position) -> tuple[Event, ...]:
        """Record a position and return the events of its changes."""
        before = self._known.get(_key(position))
        self.record(position)
        was, now = (None if before is None else before.side), position.side
        if before is not None and was is not None and now != was:
            return self._closed(before, position)
        if now is None:
            return ()
        if was is None:
            return (_event("position_opened", position),)
        changed = before is None or before.model_dump(include=_EVENT_FIELDS) != position.model_dump(
            include=_EVENT_FIELDS
        )
        return (_event("position_updated", position),) if changed else ()

    def _closed(self, before: Position, now: Position) -> tuple[Event, ...]:
        """Return the end of a position, and the opening of the other side if it changed sides."""
        if now.side is not None:
            gone = before.model_copy(update={"quantity": before.quantity * 0})
            return (_event("position_closed", gone), _event("position_opened", now))
        return (_event("position_closed", now.model_copy(update={"side": before.side})),)


def _key(position: Position) -> str:
    return f"{position.exchange} {position.symbol}"


def _event(name: str, position: Position) -> Event:
    json = position.model_dump_json().encode()
    data = event_data(position.exchange, position.symbol, "position", json)
    item = None if name == "position_closed" else json
    return Event("positions", name, _key(position), position.symbol, data, item)
