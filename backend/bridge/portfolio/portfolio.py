"""Balances of the exchange accounts and their value, as read models and events."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Sequence
from decimal import Decimal

from pydantic import TypeAdapter

from backend.accounting.balances import assets_of, is_contract
from backend.accounting.valuation import price_of
from backend.bridge.bot_warnings import BotWarnings
from backend.bridge.ledger.journal_rows import Baseline
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.market_data.price_monitor import PriceMonitor
from backend.bridge.portfolio.asset_prices import AssetPrices
from backend.bridge.portfolio.summary import Prices, Valued, summarize, total, without
from backend.bridge.read_models.event_data import event_data
from backend.bridge.read_models.read_models import ReadModels
from backend.bridge.runtime.runner import BotRunner
from backend.errors import BotNotReady
from backend.ports.account_value import AccountValue
from backend.ports.events import Event
from backend.ports.serialized import SerializedResponse
from backend.schemas.common import decimal_text
from backend.schemas.portfolio import (
    ExchangeBalances,
    Portfolio,
)

ZERO = Decimal(0)
NEGATIVE, UNPRICED = "balances: negative", "balances: unpriced"
"""Sources of warnings."""
_TRADE_WAIT_S = 0.03
_TRADE_WAITS = 30
_REBUILD_WITHIN_S = 1.0
_BALANCES = TypeAdapter(list[ExchangeBalances])


class Portfolios:
    """Balances and value of every exchange account.

    `on_value` is called on the bot's loop after each valuation of the accounts.
    """

    def __init__(
        self,
        runner: BotRunner,
        models: ReadModels,
        ledger: Ledger,
        outbox: Outbox,
        on_value: Callable[[AccountValue], None],
        warnings: BotWarnings,
        price_monitor: PriceMonitor,
    ) -> None:
        self._runner = runner
        self._ledger = ledger
        self._publishing: asyncio.Task[None] | None = None
        self._outdated: concurrent.futures.Future[None] | None = None
        self._published = b""
        self._models = models
        self._outbox = outbox
        self._baselines: dict[str, Decimal | None] = {}
        self._prices: dict[str, Decimal] = {}
        self._on_value = on_value
        self._account_value: AccountValue | None = None
        self._portfolio: Portfolio | None = None
        self._warnings = warnings
        self._price_monitor = price_monitor
        self._asset_prices = AssetPrices(runner, self._on_asset_prices)
        models.define("portfolio", self._build_summary, interval_s=0.25)
        models.define("balances", self._build_balances, interval_s=0.25)

    def summary(self) -> SerializedResponse:
        """Return the account's value, profitability and holdings."""
        return self._read("portfolio")

    def balances(self) -> SerializedResponse:
        """Return the balances of every exchange."""
        return self._read("balances")

    def account_value(self) -> AccountValue | None:
        """Return the accounts' value; None while the bot does not run or the value is unknown."""
        if self._runner.status.state not in ("running", "paused"):
            return None
        self._wait_until_current()
        return self._account_value

    def prices(self) -> dict[str, Decimal]:
        """Return the newest price of each symbol, also of some that are not followed."""
        return {**self._asset_prices.prices(), **self._prices}

    def reload(self) -> Portfolio:
        """Fetch the balances of real exchanges and return the new portfolio.

        Raises `ExchangeUnreachable` or `ExchangeRefused`.
        """
        return self._runner.executor.run(self._reload)

    def _read(self, name: str) -> SerializedResponse:
        self._runner.executor.require_ready()
        self._wait_until_current()
        prepared = self._models.get(name)
        if prepared is None:
            raise BotNotReady("the portfolio is not known yet")
        return prepared

    def _wait_until_current(self) -> None:
        """Wait briefly until outdated models are rebuilt; the old ones are read after a timeout."""
        outdated = self._outdated
        if outdated is not None:
            self._runner.executor.wait_for(outdated, self.refresh_outdated, _REBUILD_WITHIN_S)

    # ---- on the bot's loop

    def begin(self, baselines: dict[str, Decimal | None]) -> None:
        """Reset for a new run; profit is counted from these values of each exchange."""
        self._models.clear()
        self._publishing = None
        self._baselines = baselines
        self._asset_prices.begin()

    def _on_asset_prices(self) -> None:
        self._models.mark("portfolio")

    def update_price(self, symbol: str, price: Decimal) -> None:
        """Set a symbol's price, at which balances are valued."""
        self._prices[symbol] = price
        self._models.mark("portfolio")
        if is_contract(symbol):  # its price is part of the margin balance
            self._models.mark("balances")

    def publish_soon(self) -> None:
        """Publish changed balances soon: after the trades that changed them."""
        if self._publishing is None:
            self._publishing = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        for _ in range(_TRADE_WAITS):
            await asyncio.sleep(_TRADE_WAIT_S)
            if not self._ledger.matcher.awaits_trades:
                break
        self._publishing = None
        self.refresh()
        balances = self._models.data("balances")
        if balances != self._published:
            self._published = balances
            json = self._models.data("portfolio")
            data = event_data(None, None, "portfolio", json)
            event = Event("portfolio", "portfolio_updated", "portfolio", None, data, json)
            self._outbox.commit(events=[event])

    def price_of(self, asset: str) -> Decimal | None:
        """Price one unit of an asset in the reference market."""
        return price_of(self._prices, asset, self._reference_market())

    async def _reload(self) -> Portfolio:
        for exchange in self._runner.exchanges.values():
            await exchange.account.refresh_balances()
        self.refresh()
        if self._portfolio is None:
            raise BotNotReady("the portfolio is not known yet")
        return self._portfolio

    def mark_outdated(self) -> None:
        """Mark the models as outdated: the next read rebuilds them first.

        A rebuild takes as long as placing an order, and few clients read after each of
        many orders.
        """
        if self._outdated is None:
            self._outdated = concurrent.futures.Future()
        self.publish_soon()

    def refresh(self) -> None:
        """Rebuild both models now."""
        outdated, self._outdated = self._outdated, None
        try:
            self._models.refresh("balances")
            self._models.refresh("portfolio")
        finally:
            if outdated is not None:
                outdated.set_result(None)

    def refresh_outdated(self) -> None:
        """Rebuild both models if they are outdated."""
        if self._outdated is not None:
            self.refresh()

    def _build_balances(self) -> bytes | None:
        exchanges = [
            ExchangeBalances(exchange=name, balances=exchange.account.balances())
            for name, exchange in self._runner.exchanges.items()
        ]
        self._note_negative(exchanges)
        return _BALANCES.dump_json(exchanges) if exchanges else None

    def _note_negative(self, exchanges: Sequence[ExchangeBalances]) -> None:
        """Set the warnings of balances below zero."""
        texts = [
            f"{row.exchange}: the balance of {balance.asset} is below zero"
            f" ({decimal_text(balance.total)}): orders that need it are refused"
            for row in exchanges
            for balance in row.balances
            if balance.total < ZERO
        ]
        self._warnings.replace(NEGATIVE, texts)

    def _build_summary(self) -> bytes | None:
        exchanges = self._runner.exchanges
        if not exchanges:
            return None
        valued = self._valued()
        for name, rows in valued.items():
            value = total(rows)
            if exchanges[name].account.unreadable_assets:
                continue
            if self._baselines.get(name) is None and value is not None:
                self._set_baseline(name, value)
        unreadable = {a for one in exchanges.values() for a in one.account.unreadable_assets}
        portfolio = summarize(valued, self._reference_market(), self._baselines, unreadable)
        self._portfolio = portfolio
        self._account_value = self._sum(portfolio, valued)
        self._on_value(self._account_value)
        self._warn_of_unpriced(portfolio)
        return portfolio.model_dump_json().encode()

    def _valued(self) -> Valued:
        """Value all balances, and have the prices of markets that are not followed fetched."""
        reference = self._reference_market()
        quoted = self._asset_prices.prices()
        known = {**quoted, **self._prices} if quoted else self._prices
        prices = Prices(known, without(known, self._price_monitor.stale_symbols()), reference)
        valued = {}
        for name, exchange in self._runner.exchanges.items():
            valued[name] = [prices.value(balance) for balance in exchange.account.balances()]
            wanted = [
                row.balance.asset
                for row in valued[name]
                if row.price is None
                or (quoted and price_of(self._prices, row[0].asset, reference) is None)
            ]
            self._asset_prices.want(exchange, wanted, reference)
        return valued

    def _warn_of_unpriced(self, portfolio: Portfolio) -> None:
        texts = [
            f"no price of {asset} in {portfolio.reference_market}: the portfolio's value is unknown"
            for asset in portfolio.unpriced
        ]
        self._warnings.replace(UNPRICED, texts)

    def _sum(self, portfolio: Portfolio, valued: Valued) -> AccountValue:
        exchanges = self._runner.exchanges.values()
        symbols = {symbol for exchange in exchanges for symbol in exchange.symbols}
        followed = {asset for symbol in symbols for asset in assets_of(symbol)}
        rows = [row for exchange in portfolio.exchanges for row in exchange.balances]
        values: dict[str, Decimal] = {}
        for row in rows:
            if row.value is not None:
                values[row.asset] = values.get(row.asset, ZERO) + row.value
        pending = {
            row.balance.asset
            for name, valued_rows in valued.items()
            for row in valued_rows
            if row.price is None and not self._asset_prices.is_settled(name, row.balance.asset)
        }
        return AccountValue(
            portfolio.reference_market,
            None if portfolio.stale else portfolio.total_value,
            {row.exchange: self._ledger.account(row.exchange) for row in portfolio.exchanges},
            {row.asset: row.price for row in rows if row.price is not None},
            all(row.price is not None or row.asset not in followed for row in rows),
            values,
            frozenset(portfolio.unpriced),
            frozenset(pending.union(portfolio.stale)),
        )

    def _set_baseline(self, exchange: str, value: Decimal) -> None:
        """Record the first known value of an account: profit is counted from it permanently."""
        self._baselines[exchange] = value
        self._outbox.commit([Baseline(self._ledger.account(exchange), value)])

    def _reference_market(self) -> str:
        exchange = next(iter(self._runner.exchanges.values()))
        return exchange.account.reference_market
