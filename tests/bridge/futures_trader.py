"""A bot that trades futures on the sandbox, and what tests ask of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from backend.schemas.orders import Order
from backend.schemas.positions import ClosePosition, Position, PositionChange, PositionQuery
from backend.settings.model import Settings
from tests.bridge.live_bridge import LiveBridge, wait_until

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
PRICES = {BTC: Decimal(40_000), ETH: Decimal(2_000)}
START = Decimal(100_000)


def futures_settings(home: Path, **overrides: object) -> Settings:
    """Settings of a futures account with plenty of paper money."""
    return Settings(
        _env_file=None,
        home=home,
        **{"exchange_type": "future", "paper_balance": {"USDT": START}, **overrides},
    )


class Trader(LiveBridge):
    """A bridge to a futures account."""

    def start_over(self) -> Trader:
        for symbol, price in PRICES.items():
            self.pin(symbol, price)
        self.cancel_all()
        for position in self.positions():
            self.close(position.symbol)
        for symbol in PRICES:
            self.set(symbol, leverage=10, margin_mode="isolated")
        self.settle()
        return self

    @property
    def wallet(self) -> Decimal:
        """Return the total, which is the wallet while no position is open."""
        return self.totals()["USDT"]

    @property
    def available(self) -> Decimal:
        return self.balances()["USDT"].available

    def positions(self, **query: Any) -> list[Position]:
        return self.bridge.positions.find(PositionQuery(**query))

    def position(self, symbol: str = BTC) -> Position:
        return self.bridge.positions.get(symbol, None)

    def set(self, symbol: str = BTC, **change: Any) -> Position:
        return self.bridge.positions.change(symbol, PositionChange(**change))

    def close(self, symbol: str = BTC, *, key: str | None = None, **asked: Any) -> Order:
        return self.bridge.positions.close(symbol, ClosePosition(**asked), idempotency_key=key)

    def trade(self, side: str, quantity: str, **fields: Any) -> Order:
        """Place an order in the BTC contract, at the market unless told otherwise."""
        return self.place(**{"symbol": BTC, "side": side, "quantity": quantity, **fields})

    def told(self, mark: int) -> list[tuple[str, dict[str, Any]]]:
        """Return the position events since a moment."""
        assert wait_until(lambda: self.bridge.readiness().ready)
        events = self.sink.since(mark, "positions")
        return [(event.name, orjson.loads(event.data)["position"]) for event in events]

    def await_told(self, mark: int, *names: str) -> list[dict[str, Any]]:
        """Wait until exactly these position events were told, and return their positions."""
        assert wait_until(lambda: len(self.told(mark)) >= len(names)), self.told(mark)
        told = self.told(mark)
        assert [name for name, _ in told] == list(names)
        return [position for _, position in told]
