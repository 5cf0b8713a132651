"""What an exchange's client raised underneath OctoBot, which logs it and goes on with None."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import ccxt

from backend.bridge.counters import Counters
from backend.errors import (
    BridgeError,
    ExchangeRateLimited,
    ExchangeRefused,
    InsufficientFunds,
    OrderNotOpen,
    OrderStateUnknown,
)

_COMMANDS = ("create_order", "edit_order", "cancel_order")
_READS = (
    *("fetch_balance", "fetch_open_orders", "fetch_closed_orders", "fetch_order", "fetch_orders"),
    *("fetch_my_trades", "fetch_positions", "fetch_trades", "fetch_ticker", "fetch_tickers"),
    *("fetch_ohlcv", "fetch_order_book"),
)
# These say for certain that the exchange did not carry the command out.
_NOT_CARRIED_OUT = (
    ccxt.ExchangeError,
    ccxt.DDoSProtection,
    ccxt.RateLimitExceeded,
    ccxt.InvalidNonce,
)

_heard: ContextVar[CommandOutcome | None] = ContextVar("exchange_failures", default=None)


def note_failures(manager: Any, counters: Counters) -> None:
    """Wrap the client's commands: count their errors, and show each to `capture_outcome`."""
    client = manager.exchange.connector.client
    for name in _COMMANDS:
        setattr(client, name, _noting(_counting(client, name, counters)))


def count_failures(manager: Any, counters: Counters) -> None:
    """Have the exchange's client count what its reads raise."""
    client = manager.exchange.connector.client
    for name in _READS:
        setattr(client, name, _counting(client, name, counters))


class CommandOutcome:
    """What was heard of commands while listening."""

    def __init__(self) -> None:
        self._heard: list[Exception] = []
        self._was_taken = False
        self.taken_as: str | None = None
        """The exchange's id of an order that it took."""

    def note(self, error: Exception) -> None:
        """Hear that a command raised."""
        self._heard.append(error)

    def note_accepted(self, answer: Any) -> None:
        """Hear that the exchange carried a command out, at first or when OctoBot tried again."""
        self._heard.clear()
        self._was_taken = True
        self.taken_as = str(answer["id"]) if answer and answer.get("id") else None

    @property
    def is_ambiguous(self) -> bool:
        """Tell whether a command may have been carried out though it raised.

        So it is when it was, and OctoBot stumbled after: over asking how the order stands,
        where the answer had no more than its id.
        """
        return self._was_taken or any(
            isinstance(error, ccxt.DuplicateOrderId)  # one with our id got there before
            or (isinstance(error, ccxt.NetworkError) and not isinstance(error, _NOT_CARRIED_OUT))
            for error in self._heard
        )

    def as_error(self) -> BridgeError | None:
        """Return what clients are told of what failed, None when nothing was heard."""
        if self.is_ambiguous:
            return OrderStateUnknown(
                "the exchange did not answer; the order shows what became of it"
            )
        if not self._heard:
            return None
        error = self._heard[-1]
        if isinstance(error, ccxt.OrderNotFound):
            return OrderNotOpen("the exchange says that the order is not open any more")
        if isinstance(error, ccxt.InsufficientFunds):
            return InsufficientFunds("the exchange says that the balance does not cover the order")
        if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
            return ExchangeRateLimited("the exchange takes no more requests for now")
        if isinstance(error, ccxt.InvalidNonce):
            return ExchangeRefused("the exchange refused the time of the request: check the clock")
        if isinstance(error, ccxt.AuthenticationError):
            return ExchangeRefused("the exchange refused the API key")
        return ExchangeRefused("the exchange refused the order")


@contextlib.contextmanager
def capture_outcome() -> Iterator[CommandOutcome]:
    """Hear what becomes of commands in this task until the end of the block."""
    heard = CommandOutcome()
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def _counting(client: Any, name: str, counters: Counters) -> Callable[..., Awaitable[Any]]:
    call = getattr(client, name)

    @functools.wraps(call)
    async def counted(*args: Any, **kwargs: Any) -> Any:
        try:
            return await call(*args, **kwargs)
        except ccxt.BaseError as error:
            counters.exchange_errors[client.id, name, type(error).__name__] += 1
            raise

    return counted


def _noting(command: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(command)
    async def noted(*args: Any, **kwargs: Any) -> Any:
        heard = _heard.get()
        try:
            answer = await command(*args, **kwargs)
        except Exception as error:  # noted only: raised again
            if heard is not None:
                heard.note(error)
            raise
        if heard is not None:
            heard.note_accepted(answer)
        return answer

    return noted
