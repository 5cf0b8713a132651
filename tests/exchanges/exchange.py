"""OfflineExchange: makes, installs and steers an offline exchange, from any process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import ccxt
import ccxt.async_support

from tests.exchanges import matching
from tests.exchanges.account_client import OfflineClient
from tests.exchanges.behavior import Behavior, Failure
from tests.exchanges.listings import SPOT, Listing
from tests.exchanges.state import (
    Charge,
    Execution,
    Flow,
    Liquidity,
    Order,
    State,
    StateFile,
    Status,
    Wallet,
)

NAME = "offline"
DEPOSITS = {"USDT": Decimal(1_000_000), "BTC": Decimal(100), "BNB": Decimal(1_000)}
FILE = "offline.json"


class OfflineExchange:
    """An exchange whose whole state is a file: it outlives every process that uses it.

    Each method may be called while a bot, in this process or another one, trades there. An order
    is named by the exchange's id or by its client order id.
    """

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file)

    @classmethod
    def create(
        cls,
        file: Path,
        *,
        listings: Iterable[Listing] = SPOT,
        deposits: Mapping[str, Decimal] = DEPOSITS,
        **switches: Any,
    ) -> OfflineExchange:
        """Create an exchange with these markets, this account, and a behavior of `switches`."""
        made = cls(file)
        listed = {listing.symbol: listing for listing in listings}
        behavior = Behavior(**switches)
        for number in range(behavior.extra_markets):
            symbol = f"X{number:04}/USDT"
            listed[symbol] = Listing(symbol=symbol, price=Decimal(1))
        made._file.write(
            State(
                behavior=behavior,
                listings=listed,
                prices={symbol: listing.price for symbol, listing in listed.items()},
                wallets={asset: Wallet(free=amount) for asset, amount in deposits.items()},
            )
        )
        return made

    def install(self, name: str = NAME) -> OfflineExchange:
        """Register the exchange's class in ccxt under a name, in this process."""
        parts = {"file": self._file, "name_of_class": name}
        for module in (ccxt, ccxt.async_support):
            _register(module, name, type(name, (OfflineClient,), parts))
        return self

    # ---- what it has

    def state(self) -> State:
        """Return a copy of the whole state."""
        return self._file.read()

    def order(self, key: str) -> Order:
        """Return an order."""
        return matching.find_order(self.state(), key)

    def orders(self) -> list[Order]:
        """Return all orders, oldest first."""
        return list(self.state().orders.values())

    def executions(self, key: str | None = None) -> list[Execution]:
        """Return all executions or those of an order, oldest first."""
        state = self.state()
        order_id = None if key is None else matching.find_order(state, key).id
        return [each for each in state.executions if order_id in (None, each.order_id)]

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return total and free of each asset that is not nothing."""
        wallets = self.state().wallets.items()
        found = {asset: (each.free + each.locked, each.free) for asset, each in wallets}
        return {asset: amounts for asset, amounts in found.items() if any(amounts)}

    # ---- what happens there

    def set_price(self, symbol: str, price: Decimal | str | int) -> None:
        """Set a price, which executes the orders that it reaches."""
        with self._file.changing() as state:
            state.prices[symbol] = Decimal(price)
            matching.match_all(state, symbol)

    def fill(
        self,
        key: str,
        amount: Decimal | str,
        price: Decimal | str | None = None,
        *,
        fees: Iterable[tuple[str, str]] | None = None,
        liquidity: Liquidity = "maker",
    ) -> Execution:
        """Execute a part of an order; `fees` are pairs of cost and currency."""
        with self._file.changing() as state:
            order = matching.find_order(state, key)
            assert order.status == "open", order
            paid = order.price or state.prices[order.symbol] if price is None else Decimal(price)
            charged = (
                None
                if fees is None
                else [Charge(cost=Decimal(cost), currency=currency) for cost, currency in fees]
            )
            return matching.execute(state, order, Decimal(amount), paid, liquidity, charged)

    def end(self, key: str, status: Status) -> None:
        """End an open order without its owner's doing."""
        with self._file.changing() as state:
            order = matching.find_order(state, key)
            assert order.status == "open", order
            matching.end(state, order, status)

    def flow(self, asset: str, amount: Decimal | str | int, kind: str | None = None) -> Flow:
        """Change a balance without a trade: `deposit`, `withdrawal`, or another kind."""
        with self._file.changing() as state:
            moved = Decimal(amount)
            flow = Flow(
                id=f"f{state.next_id()}",
                kind=kind or ("deposit" if moved > 0 else "withdrawal"),
                asset=asset,
                amount=moved,
                time_ms=matching.now_ms(),
            )
            state.flows.append(flow)
            state.wallet(asset).free += moved
            return flow

    # ---- how it behaves

    def behave(self, **switches: Any) -> None:
        """Change switches of the behavior."""
        with self._file.changing() as state:
            changed = {**state.behavior.model_dump(), **switches}
            state.behavior = Behavior.model_validate(changed)

    def befriend(self) -> None:
        """Reset every switch."""
        with self._file.changing() as state:
            state.behavior = Behavior()

    def fail(
        self, endpoint: str | None, error: str, *, after: bool = False, times: int | None = None
    ) -> None:
        """Let requests fail, such as `create_order`, with an error of ccxt or of Python."""
        with self._file.changing() as state:
            failure = Failure(endpoint=endpoint, error=error, after=after, times=times)
            state.failures.append(failure)

    def recover(self) -> None:
        """End all failures."""
        with self._file.changing() as state:
            state.failures.clear()


def _register(module: ModuleType, name: str, client: type[OfflineClient]) -> None:
    setattr(module, name, client)
    if name not in module.exchanges:
        module.exchanges.append(name)
