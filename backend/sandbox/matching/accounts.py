"""Spot accounts of the sandbox exchange: balances, locked amounts, orders, settlement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ccxt.base.errors import InsufficientFunds

from backend.accounting.margin import MarginAccount
from backend.sandbox.market.listings import MAKER_FEE, SETTLEMENT_ASSET, TAKER_FEE, Listing
from backend.sandbox.matching.fills import Match
from backend.sandbox.matching.futures_account import FuturesAccount
from backend.sandbox.matching.orders import Fill, Order, Status

_FEE_STEP = Decimal("1e-8")


@dataclass
class Balance:
    """Balance of one asset: the free amount, and the amount locked by open orders."""

    free: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)


@dataclass
class Account:
    """Balances and orders of one API key; orders are in the order of their creation."""

    balances: dict[str, Balance] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    futures: FuturesAccount = field(default_factory=lambda: FuturesAccount(MarginAccount()))

    @classmethod
    def with_deposits(cls, deposits: Mapping[str, Decimal]) -> Account:
        """Open an account; the settlement asset is deposited a second time, as margin."""
        margin = MarginAccount(Decimal(deposits.get(SETTLEMENT_ASSET, 0)))
        balances = {asset: Balance(Decimal(amount)) for asset, amount in deposits.items()}
        return cls(balances, futures=FuturesAccount(margin))

    @property
    def open_orders(self) -> list[Order]:
        """The orders that may still fill."""
        return [order for order in self.orders.values() if order.status == "open"]

    def balance(self, asset: str) -> Balance:
        """Return an asset's balance."""
        return self.balances.setdefault(asset, Balance())

    def lock(self, order: Order, listing: Listing, amount: Decimal) -> None:
        """Lock the amount that an order pays; raises ccxt's `InsufficientFunds`."""
        asset = listing.quote if order.request.side == "buy" else listing.base
        balance = self.balance(asset)
        if balance.free < amount:
            raise InsufficientFunds(f"{amount} {asset} needed, {balance.free} free")
        balance.free -= amount
        balance.locked += amount
        order.locked = amount

    def unlock(self, order: Order, listing: Listing) -> None:
        """Unlock the amount that an order has locked."""
        if listing.is_contract:
            self.futures.release_margin(order)
            return
        balance = self.balance(listing.quote if order.request.side == "buy" else listing.base)
        balance.free += order.locked
        balance.locked -= order.locked
        order.locked = Decimal(0)

    def close(self, order: Order, listing: Listing, status: Status, at_ms: int) -> None:
        """Close an order that will not fill any more."""
        self.unlock(order, listing)
        order.status, order.updated_ms = status, at_ms

    def settle(self, order: Order, listing: Listing, match: Match, fill_id: str) -> None:
        """Settle the execution of an order; the fee is taken from the received asset.

        A triggered market order without sufficient funds is rejected.
        """
        request, cost = order.request, order.request.amount * match.price
        self.unlock(order, listing)
        paid, received = self.balance(listing.quote), self.balance(listing.base)
        give, get = cost, request.amount
        if request.side == "sell":
            paid, received, give, get = received, paid, get, give
        if paid.free < give:
            self.close(order, listing, "rejected", match.time_ms)
            return
        rate = MAKER_FEE if match.liquidity == "maker" else TAKER_FEE
        fee = (get * rate).quantize(_FEE_STEP, ROUND_HALF_UP)
        paid.free -= give
        received.free += get - fee
        fill = Fill(fill_id, match.time_ms, match.price, request.amount, fee, match.liquidity)
        order.fills.append(fill)
        order.status, order.updated_ms = "closed", match.time_ms

    def to_json(self) -> dict[str, Any]:
        """Return the account as JSON values."""
        balances = {
            asset: [str(balance.free), str(balance.locked)]
            for asset, balance in self.balances.items()
        }
        orders = [order.to_json() for order in self.orders.values()]
        return {"balances": balances, "orders": orders, "contracts": self.futures.to_json()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Account:
        """Read what `to_json` wrote."""
        balances = {
            asset: Balance(Decimal(free), Decimal(locked))
            for asset, (free, locked) in row["balances"].items()
        }
        orders = [Order.from_json(order) for order in row["orders"]]
        futures = FuturesAccount.from_json(row["contracts"])
        return cls(balances, {order.id: order for order in orders}, futures)
