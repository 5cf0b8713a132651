"""What each API key owns, and how orders change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ccxt.base.errors import InsufficientFunds

from backend.accounting.margin import MarginAccount
from backend.sandbox.market.listings import MAKER_FEE, SETTLES_IN, TAKER_FEE, Listing
from backend.sandbox.matching.fills import Match
from backend.sandbox.matching.futures_account import FuturesAccount
from backend.sandbox.matching.orders import Fill, Order, Status

_FEE_GRAIN = Decimal("1e-8")


@dataclass
class Balance:
    """One asset: what is free, and what open orders hold back."""

    free: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)


@dataclass
class Account:
    """Balances and orders of one API key; orders stand in the order of their creation."""

    balances: dict[str, Balance] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    contracts: FuturesAccount = field(default_factory=lambda: FuturesAccount(MarginAccount()))

    @classmethod
    def opened_with(cls, deposits: Mapping[str, Decimal]) -> Account:
        """Open an account; what contracts settle in is deposited for them once more."""
        margin = MarginAccount(Decimal(deposits.get(SETTLES_IN, 0)))
        balances = {asset: Balance(Decimal(amount)) for asset, amount in deposits.items()}
        return cls(balances, contracts=FuturesAccount(margin))

    @property
    def open_orders(self) -> list[Order]:
        """The orders that may still fill."""
        return [order for order in self.orders.values() if order.status == "open"]

    def balance(self, asset: str) -> Balance:
        """Return an asset's balance."""
        return self.balances.setdefault(asset, Balance())

    def lock(self, order: Order, listing: Listing, amount: Decimal) -> None:
        """Hold back for an order what it pays; raises ccxt's `InsufficientFunds`."""
        asset = listing.quote if order.request.side == "buy" else listing.base
        balance = self.balance(asset)
        if balance.free < amount:
            raise InsufficientFunds(f"{amount} {asset} needed, {balance.free} free")
        balance.free -= amount
        balance.locked += amount
        order.locked = amount

    def unlock(self, order: Order, listing: Listing) -> None:
        """Set free what the order holds back."""
        if listing.is_contract:
            self.contracts.release(order)
            return
        balance = self.balance(listing.quote if order.request.side == "buy" else listing.base)
        balance.free += order.locked
        balance.locked -= order.locked
        order.locked = Decimal(0)

    def close(self, order: Order, listing: Listing, status: Status, at_ms: int) -> None:
        """End an order that will not fill any more."""
        self.unlock(order, listing)
        order.status, order.updated_ms = status, at_ms

    def settle(self, order: Order, listing: Listing, match: Match, fill_id: str) -> None:
        """Execute an order: pay, receive, and take the fee from what is received.

        One that a triggered market order can no longer pay for is rejected.
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
        fee = (get * rate).quantize(_FEE_GRAIN, ROUND_HALF_UP)
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
        return {"balances": balances, "orders": orders, "contracts": self.contracts.to_json()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Account:
        """Read what `to_json` wrote."""
        balances = {
            asset: Balance(Decimal(free), Decimal(locked))
            for asset, (free, locked) in row["balances"].items()
        }
        orders = [Order.from_json(order) for order in row["orders"]]
        contracts = FuturesAccount.from_json(row["contracts"])
        return cls(balances, {order.id: order for order in orders}, contracts)
