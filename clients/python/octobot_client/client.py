"""The way in: one `Client` for one server and one user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

import httpx

from octobot_client.events import Event
from octobot_client.following import Following
from octobot_client.models import (
    Candle,
    Exchange,
    Market,
    Portfolio,
    Position,
    Ticker,
    Trade,
    User,
    build,
)
from octobot_client.orders import Orders
from octobot_client.session import PAGE, Session
from octobot_client.values import cleaned, path_symbol, text_of

T = TypeVar("T")


class Client:
    """A server of the OctoBot backend, as one user sees it; may be used from any thread.

        with Client("http://127.0.0.1:8000", username="admin", password="…") as client:
            client.orders.create("BTC/USDT", "buy", "market", "0.001")

    Every method raises `ApiError` for what the server refuses, `ConnectionFailed` when
    it cannot be reached.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        username: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._session = Session(
            url,
            username=username,
            password=password,
            api_key=api_key,
            timeout_s=timeout_s,
            transport=transport,
        )
        self.orders = Orders(self._session)

    # ---- who is logged in

    def login(self, username: str, password: str) -> User:
        """Log in; not needed by who gave a name and password, or an API key."""
        return build(User, self._session.login(username, password)["user"])

    def logout(self) -> None:
        """End the session on the server."""
        self._session.logout()

    def me(self) -> User:
        """Return the caller's own account."""
        return build(User, self._get("/auth/me"))

    # ---- what is there

    def portfolio(self) -> Portfolio:
        """Return what is held and what it is worth."""
        return build(Portfolio, self._get("/portfolio"))

    def trades(
        self,
        *,
        symbol: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = PAGE,
    ) -> Iterator[Trade]:
        """Yield trades, newest first, a page at a time."""
        params = cleaned({"symbol": symbol, "since": since, "until": until})
        rows = self._session.pages("/trades/history", params, page_size)
        return (build(Trade, row) for row in rows)

    def positions(self) -> list[Position]:
        """Return the open positions of futures accounts."""
        return [build(Position, row) for row in self._get("/positions")]

    def exchanges(self) -> list[Exchange]:
        """Return the exchanges that the bot is connected to."""
        return [build(Exchange, row) for row in self._get("/exchanges")]

    def markets(self, exchange: str | None = None) -> list[Market]:
        """Return the trading rules of each symbol."""
        return [build(Market, row) for row in self._get("/markets", exchange=exchange)]

    def tickers(self, symbol: str | None = None) -> list[Ticker]:
        """Return prices and 24 h figures."""
        return [build(Ticker, row) for row in self._get("/tickers", symbol=symbol)]

    def ticker(self, symbol: str, exchange: str | None = None) -> Ticker:
        """Return one symbol's price and 24 h figures."""
        return build(Ticker, self._get(f"/tickers/{path_symbol(symbol)}", exchange=exchange))

    def candles(self, symbol: str, interval: str = "1m", limit: int = 100) -> list[Candle]:
        """Return candles, oldest first."""
        path = f"/candles/{path_symbol(symbol)}"
        return [build(Candle, row) for row in self._get(path, interval=interval, limit=limit)]

    # ---- what happens

    def stream(
        self,
        topics: Iterable[str] | None = None,
        symbols: Iterable[str] | None = None,
        *,
        last_id: str | None = None,
    ) -> Following:
        """Return an endless iterator of events, of all topics that may be read unless told.

        It comes back by itself after a lost connection or a restart of the server, and
        goes on after the last event: each once, in order. `last_id` is where to begin.
        """
        params = {"topics": topics, "symbols": symbols}
        chosen = {name: ",".join(values) for name, values in params.items() if values is not None}
        return Following(self._session, chosen, last_id)

    def events(
        self, after: str | None = None, topics: Iterable[str] | None = None
    ) -> Iterator[Event]:
        """Yield what happened to orders, trades and positions after an id, oldest first."""
        params = cleaned({"after": after, "topics": None if topics is None else ",".join(topics)})
        for row in self._session.pages("/events", params):
            yield Event(row["event"], row["id"], row["data"])

    # ----

    def close(self) -> None:
        """Close the connections; the session on the server stays."""
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _get(self, path: str, **params: object) -> Any:  # noqa: ANN401 - any JSON
        shown: Mapping[str, str] = {
            name: text_of(value) for name, value in params.items() if value is not None
        }
        return self._session.request("GET", path, params=shown)["data"]
