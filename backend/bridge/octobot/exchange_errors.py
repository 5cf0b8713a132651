"""Errors of an exchange's ccxt client, captured below OctoBot, which only logs them."""

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
    ExchangeAuthenticationFailed,
    ExchangeRateLimited,
    ExchangeRefused,
    InsufficientFunds,
    OrderNotOpen,
    OrderStateUnknown,
    SymbolNotTraded,
)

_COMMANDS = ("create_order", "edit_order", "cancel_order")
_READS = (
    *("fetch_balance", "fetch_open_orders", "fetch_closed_orders", "fetch_order", "fetch_orders"),
    *("fetch_my_trades", "fetch_positions", "fetch_trades", "fetch_ticker", "fetch_tickers"),
    *("fetch_ohlcv", "fetch_order_book"),
)
# The exchange has certainly not carried the command out.
_NOT_CARRIED_OUT = (
    ccxt.ExchangeError,
    ccxt.DDoSProtection,
    ccxt.RateLimitExceeded,
    ccxt.InvalidNonce,
)

_captured: ContextVar[CommandOutcome | None] = ContextVar("command_outcome", default=None)


def capture_commands(manager: Any, counters: Counters) -> None:
    """Wrap the client's commands: count errors, and pass each outcome to `capture_outcome`."""
    client = manager.exchange.connector.client
    for name in _COMMANDS:
        setattr(client, name, _capturing(_counting(client, name, counters)))


def count_read_errors(manager: Any, counters: Counters) -> None:
    """Wrap the client's reads: count their errors."""
    client = manager.exchange.connector.client
    for name in _READS:
        setattr(client, name, _counting(client, name, counters))


class CommandOutcome:
    """Responses and errors of the commands that one task sent to an exchange."""

    def __init__(self) -> None:
        self._errors: list[Exception] = []
        self._was_accepted = False
        self.accepted_id: str | None = None
        """The exchange's id of the order that it accepted."""

    def record_error(self, error: Exception) -> None:
        """Record that a command raised."""
        self._errors.append(error)

    def record_accepted(self, answer: Any) -> None:
        """Record that the exchange carried a command out, at first or when OctoBot retried it."""
        self._errors.clear()
        self._was_accepted = True
        self.accepted_id = str(answer["id"]) if answer and answer.get("id") else None

    @property
    def is_ambiguous(self) -> bool:
        """Whether a command that raised may have been carried out.

        That is so when the exchange accepted it and OctoBot failed afterwards, for
        example when it fetched the order because the response contained only an id.
        """
        return self._was_accepted or any(
            isinstance(error, ccxt.DuplicateOrderId)  # an order with our id was accepted before
            or (isinstance(error, ccxt.NetworkError) and not isinstance(error, _NOT_CARRIED_OUT))
            for error in self._errors
        )

    def as_error(self) -> BridgeError | None:
        """Return the API's error for the failure, None if nothing failed."""
        if self.is_ambiguous:
            return OrderStateUnknown(
                "the exchange did not answer; the order shows what became of it"
            )
        if not self._errors:
            return None
        error = self._errors[-1]
        if isinstance(error, ccxt.OrderNotFound):
            return OrderNotOpen("the exchange says that the order is not open any more")
        if isinstance(error, ccxt.InsufficientFunds):
            return InsufficientFunds("the exchange says that the balance does not cover the order")
        if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
            return ExchangeRateLimited("the exchange takes no more requests for now")
        if isinstance(error, ccxt.InvalidNonce):
            return ExchangeRefused("the exchange refused the time of the request: check the clock")
        if isinstance(error, ccxt.AuthenticationError):
            return ExchangeAuthenticationFailed("the exchange refused the API key")
        if isinstance(error, ccxt.BadSymbol):
            return SymbolNotTraded("the exchange does not trade the symbol any more")
        return ExchangeRefused("the exchange refused the order")


@contextlib.contextmanager
def capture_outcome() -> Iterator[CommandOutcome]:
    """Capture the outcome of this task's commands until the end of the block."""
    outcome = CommandOutcome()
    token = _captured.set(outcome)
    try:
        yield outcome
    finally:
        _captured.reset(token)


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


def _capturing(command: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(command)
    async def captured(*args: Any, **kwargs: Any) -> Any:
        outcome = _captured.get()
        try:
            answer = await command(*args, **kwargs)
        except Exception as error:  # recorded only: raised again
            if outcome is not None:
                outcome.record_error(error)
            raise
        if outcome is not None:
            outcome.record_accepted(answer)
        return answer

    return captured
