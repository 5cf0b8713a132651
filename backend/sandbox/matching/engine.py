"""Matching engine of the sandbox exchange: accepts, matches and persists orders."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from ccxt.base.errors import AuthenticationError, DuplicateOrderId, OrderNotFound

from backend.accounting.contract_position import MarginMode
from backend.sandbox.market.listings import Listing
from backend.sandbox.market.market import Market
from backend.sandbox.matching.accounts import Account
from backend.sandbox.matching.faults import Faults
from backend.sandbox.matching.fills import Match, find_matches, match_book
from backend.sandbox.matching.futures_account import mark_prices, signed_amount
from backend.sandbox.matching.order_rules import check_order, check_trigger
from backend.sandbox.matching.orders import NewOrder, Order


class MatchingEngine:
    """Orders of the accounts that `deposits` opens, one for each API key. Thread-safe.

    Orders are matched at each read and at each price override; an order fills as of
    the instant when the price path reached it. With a `file` every change is on disk
    before a call returns; accounts found there get no second deposit. Errors are
    ccxt's own.
    """

    def __init__(
        self,
        market: Market,
        deposits: Mapping[str, Mapping[str, Decimal]] | None = None,
        *,
        file: Path | None = None,
    ) -> None:
        self.faults = Faults()
        self._market = market
        self._file = file
        self._lock = threading.RLock()
        self._last_id = 0
        self._accounts = {
            key: Account.with_deposits(assets) for key, assets in (deposits or {}).items()
        }
        self._load()
        market.subscribe(lambda _: self._match_all())

    def account(self, api_key: str) -> Account:
        """Return an account, with all orders matched up to now."""
        with self._lock:
            self._match_all()
            try:
                return self._accounts[api_key]
            except KeyError:
                raise AuthenticationError("invalid API key") from None

    def order(self, api_key: str, order_id: str) -> Order:
        """Return an order, open or not; raises `OrderNotFound`."""
        try:
            return self.account(api_key).orders[order_id]
        except KeyError:
            raise OrderNotFound(f"no order {order_id}") from None

    def order_by_client_id(self, api_key: str, client_order_id: str) -> Order:
        """Return the order with this client order id; raises `OrderNotFound`."""
        for order in self.account(api_key).orders.values():
            if order.request.client_order_id == client_order_id:
                return order
        raise OrderNotFound(f"no order with client order id {client_order_id}")

    def create(self, api_key: str, request: NewOrder) -> Order:
        """Create an order; a marketable one is returned filled."""
        with self._lock:
            account = self.account(api_key)
            self._check_client_order_id(account, request.client_order_id)
            now_ms = self._market.now_ms()
            order = Order(self._next_id(), request, now_ms, now_ms, now_ms)
            self._accept(account, order)
            account.orders[order.id] = order
            self._save()
            return order

    def edit(self, api_key: str, order_id: str, request: NewOrder) -> Order:
        """Replace an open order's amount and prices, keeping its ids; unchanged on errors."""
        with self._lock:
            account, order = self.account(api_key), self._open_order(api_key, order_id)
            now_ms, listing = self._market.now_ms(), self._listing(order)
            request = replace(request, client_order_id=order.request.client_order_id)
            edited = Order(order.id, request, order.created_ms, now_ms, now_ms)
            locked, exposure = order.locked, account.futures.margin.order_exposures.get(order.id)
            account.unlock(order, listing)
            try:
                self._accept(account, edited)
            except Exception:  # raised again: the order is restored whatever the error
                account.lock(order, listing, locked)
                if exposure is not None:
                    account.futures.margin.order_exposures[order.id] = exposure
                raise
            account.orders[order.id] = edited
            self._save()
            return edited

    def cancel(self, api_key: str, order_id: str) -> Order:
        """Cancel an open order; raises `OrderNotFound` if it is not open (any more)."""
        with self._lock:
            account, order = self.account(api_key), self._open_order(api_key, order_id)
            account.close(order, self._listing(order), "canceled", self._market.now_ms())
            self._save()
            return order

    def cancel_all(self, api_key: str, symbol: str | None = None) -> list[Order]:
        """Cancel all open orders, or those of one symbol."""
        with self._lock:
            orders = self.account(api_key).open_orders
            chosen = [order for order in orders if symbol in (None, order.request.symbol)]
            return [self.cancel(api_key, order.id) for order in chosen]

    def configure(
        self, api_key: str, symbol: str, leverage: int | None, mode: MarginMode | None
    ) -> None:
        """Change a contract's leverage or margin mode."""
        with self._lock:
            futures = self.account(api_key).futures
            if leverage is not None:
                futures.set_leverage(symbol, leverage, mark_prices(self._market))
            if mode is not None:
                futures.set_margin_mode(symbol, mode)
            self._save()

    def _open_order(self, api_key: str, order_id: str) -> Order:
        order = self.order(api_key, order_id)
        if order.status != "open":
            raise OrderNotFound(f"order {order_id} is {order.status}")
        return order

    def _check_client_order_id(self, account: Account, client_order_id: str | None) -> None:
        used = {order.request.client_order_id for order in account.orders.values()}
        if client_order_id is not None and client_order_id in used:
            raise DuplicateOrderId(f"client order id {client_order_id} was used before")

    def _accept(self, account: Account, order: Order) -> None:
        """Check an order, lock its cost, and fill it if it is marketable."""
        request, listing, now_ms = order.request, self._listing(order), order.seen_ms
        match = match_book(order, self._market, now_ms)
        price = self._expected_price(request, now_ms)
        check_order(order, listing, price)
        check_trigger(order, self._market.price(request.symbol, now_ms))
        if listing.is_contract:
            account.futures.reserve_margin(order, price, mark_prices(self._market))
        else:
            account.lock(order, listing, request.amount * (price if request.side == "buy" else 1))
        if match and not request.trigger:
            self._settle(account, order, match)

    def _settle(self, account: Account, order: Order, match: Match) -> None:
        listing = self._listing(order)
        if listing.is_contract:
            account.futures.settle(order, match, self._next_id(), mark_prices(self._market))
            self._cancel_reduce_only(account, listing)
        else:
            account.settle(order, listing, match, self._next_id())

    def _cancel_reduce_only(self, account: Account, listing: Listing) -> None:
        """Cancel the reduce-only orders without a position left to reduce."""
        position, now_ms = account.futures.margin.position(listing.symbol), self._market.now_ms()
        for order in account.open_orders:
            request = order.request
            reduces = request.symbol == listing.symbol and request.reduce_only
            if reduces and position.opening_quantity(signed_amount(request)) == request.amount:
                account.close(order, listing, "canceled", now_ms)

    def _advance_futures(self, account: Account) -> bool:
        """Pay funding and liquidate; return whether the account has changed."""
        now_ms, wallet = self._market.now_ms(), account.futures.margin.wallet
        for request, cost in account.futures.advance(self._market, now_ms):
            order = Order(self._next_id(), request, now_ms, now_ms, now_ms)
            account.orders[order.id] = order
            account.futures.liquidate(order, cost, self._next_id(), now_ms)
            self._cancel_reduce_only(account, self._listing(order))
        return account.futures.margin.wallet != wallet

    def _expected_price(self, request: NewOrder, now_ms: int) -> Decimal:
        if request.price is not None:
            return request.price
        if request.trigger is not None:
            return request.trigger.price
        return self._market.book(request.symbol, 1, at_ms=now_ms).asks[0].price

    def _match_all(self) -> None:
        """Match all orders up to now, in chronological order of their fills."""
        with self._lock:
            found = [
                (account, order, match)
                for account in self._accounts.values()
                for order, match in find_matches(account.open_orders, self._market)
            ]
            for account, order, match in sorted(found, key=lambda entry: entry[2].time_ms):
                self._settle(account, order, match)
            advanced = [self._advance_futures(account) for account in self._accounts.values()]
            if found or any(advanced):
                self._save()

    def _listing(self, order: Order) -> Listing:
        return self._market.listing(order.request.symbol)

    def _next_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    def _load(self) -> None:
        if self._file is not None and self._file.exists():
            state = json.loads(self._file.read_text("utf-8"))
            self._last_id = state["last_id"]
            for key, row in state["accounts"].items():
                self._accounts[key] = Account.from_json(row)

    def _save(self) -> None:
        """Replace the file atomically: a killed process leaves no partial one."""
        if self._file is not None:
            accounts = {key: account.to_json() for key, account in self._accounts.items()}
            temporary = self._file.with_suffix(".tmp")
            state = {"last_id": self._last_id, "accounts": accounts}
            temporary.write_text(json.dumps(state), "utf-8")
            temporary.replace(self._file)
