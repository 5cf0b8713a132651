"""A bridge to a bot that trades on an offline exchange, with real or with paper money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from backend.ports.exchange_keys import ExchangeKeys
from backend.settings.model import Settings
from tests.bridge.live_bridge import BTC, LiveBridge, wait_until
from tests.exchanges.exchange import FILE, NAME, OfflineExchange
from tests.exchanges.polling import poll_often

KEYS = ExchangeKeys("offline-key", "offline-secret")
TRUE_WITHIN_S = 60


def settings_at(home: Path, **overrides: object) -> Settings:
    """Settings of a bot in real mode on the offline exchange."""
    chosen = {"trading": "real", "exchange": (NAME,), "symbols": (BTC,), **overrides}
    return Settings(_env_file=None, home=home, **chosen)


class OfflineBridge(LiveBridge):
    """A bridge, and the exchange that its bot trades on.

    The exchange is made with `listings`, `deposits` and the switches of `behavior` unless the home
    has one already; `settings` are the bot's, with `trading="paper"` it has paper money.
    """

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, object] | None = None,
        give_up_after_s: float = 2.0,
        **of_exchange: Any,
    ) -> None:
        poll_often()
        file = home / FILE
        self.exchange = (
            OfflineExchange(file) if file.exists() else OfflineExchange.create(file, **of_exchange)
        ).install()
        super().__init__(
            settings_at(home, **(settings or {})),
            keys=lambda: {NAME: KEYS},
            give_up_after_s=give_up_after_s,
        )

    def set_price(self, symbol: str, price: Decimal | str | int) -> None:
        """Set a price at the exchange, and wait until the bot knows it."""
        self.exchange.set_price(symbol, price)
        assert wait_until(lambda: self.price(symbol) == Decimal(price)), self.price(symbol)

    def balances_told(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return total and available of each asset as our API tells them after a reload."""
        self.bridge.portfolio.reload()
        told = {asset: (each.total, each.available) for asset, each in self.balances().items()}
        return {asset: amounts for asset, amounts in told.items() if any(amounts)}
