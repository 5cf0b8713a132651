"""Errors of an exchange's ccxt client, captured below OctoBot, which only logs them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import ccxt

from backend.bridge.counters import Counters
from backend.bridge.octobot.order_abilities import price_to_send
from backend.bridge.octobot.order_replacement import (
    ExecutedMeanwhile,
    edits_in_place,
    replacing_edit,
)
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
# Classes by which an exchange or ccxt says that a command was not carried out. Every other error,
# Python's own out of a parser too, may follow one that was.
_REFUSALS = (
    ccxt.ArgumentsRequired,  # raised by ccxt before it sends anything
    ccxt.AuthenticationError,  # also PermissionDenied, AccountNotEnabled, AccountSuspended
    ccxt.BadRequest,  # also BadSymbol
    ccxt.DDoSProtection,
    ccxt.InsufficientFunds,
    ccxt.InvalidNonce,
    ccxt.InvalidOrder,  # also OrderNotFound, OrderImmediatelyFillable, ContractUnavailable
    ccxt.NotSupported,  # raised by ccxt before it sends anything
    ccxt.OperationRejected,  # also MarketClosed, RestrictedLocation, ManualInteractionNeeded
    ccxt.RateLimitExceeded,
)
_NO_REFUSALS = (
    ccxt.CancelPending,  # the command is being carried out
    ccxt.ChecksumError,
    ccxt.DuplicateOrderId,  # an order with our id was accepted before
    ccxt.OrderNotCached,
)

_captured: ContextVar[CommandOutcome | None] = ContextVar("command_outcome", default=None)


def capture_commands(manager: Any, counters: Counters) -> None:
    """Wrap the client's commands: count errors, and pass each outcome to `capture_outcome`."""
    client = manager.exchange.connector.client
    client.create_order = _with_exact_amounts(client)
    if not edits_in_place(client):
        client.edit_order = replacing_edit(client)
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
    def is_accepted(self) -> bool:
        """Whether the exchange carried the last command out."""
        return self._was_accepted

    @property
    def is_ambiguous(self) -> bool:
        """Whether a command that raised may have been carried out.

        That is so unless every error is a refusal, and when OctoBot failed after the exchange
        accepted it, for example when it fetched the order because the response had only an id.
        """
        return self._was_accepted or not all(is_refusal(error) for error in self._errors)

    def as_error(self) -> BridgeError | None:
        """Return the API's error for the failure, None if nothing failed."""
        if any(isinstance(error, ExecutedMeanwhile) for error in self._errors):
            return OrderNotOpen("a part was executed meanwhile, and the rest is canceled")
        if self.is_ambiguous:
            return OrderStateUnknown(
                "the exchange did not say what it did; the order shows what became of it"
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


def is_refusal(error: Exception) -> bool:
    """Return whether an error says that the command was not carried out."""
    return isinstance(error, _REFUSALS) and not isinstance(error, _NO_REFUSALS)


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


def _with_exact_amounts(client: Any) -> Callable[..., Awaitable[Any]]:
    """Wrap `create_order` so that a market order trades its amount, not the amount's cost."""
    create = client.create_order

    @functools.wraps(create)
    async def create_exactly(
        symbol: str,
        type: str,
        side: str,
        amount: float,
        price: float | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        price = price_to_send(client, symbol, type, side, price)
        return await create(symbol, type, side, amount, price, dict(params or {}))

    return create_exactly


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
