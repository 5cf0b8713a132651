"""Translation of what goes wrong when an exchange is read into the API's errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import ccxt
import octobot_trading.errors as trading_errors

from backend.errors import (
    BridgeError,
    ExchangeAnswerUnreadable,
    ExchangeAuthenticationFailed,
    ExchangeMaintenance,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnreachable,
    SymbolNotTraded,
)

_DEPTH = 8
# What parsers raise, ccxt's and OctoBot's, on answers of an unforeseen shape.
_PARSER_ERRORS = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
_EXCHANGE_ERRORS = (
    ccxt.BaseError,
    trading_errors.OctoBotExchangeError,
    trading_errors.NotSupported,
    trading_errors.UnexpectedAdapterError,
)
_RATE_LIMITED = (
    ccxt.RateLimitExceeded,
    ccxt.DDoSProtection,
    trading_errors.RateLimitExceeded,
)


@contextlib.contextmanager
def translate_read_errors(exchange: str, subject: str, symbol: str | None = None) -> Iterator[None]:
    """Raise the API's error for one of OctoBot, ccxt or a parser; `subject` is what is read."""
    try:
        yield
    except BridgeError:
        raise
    except (*_EXCHANGE_ERRORS, *_PARSER_ERRORS) as error:
        raise read_error(error, exchange, subject, symbol) from None


def read_error(
    error: Exception, exchange: str, subject: str, symbol: str | None = None
) -> BridgeError:
    """Return the API's error for the error of a read.

    OctoBot replaces most of ccxt's errors by its own; the original is their context.
    """
    for cause in _chain(error):
        found = _known(cause, exchange, subject, symbol)
        if found is not None:
            return found
    if isinstance(error, _PARSER_ERRORS):
        return ExchangeAnswerUnreadable(f"{exchange} sent {subject} that cannot be read")
    return ExchangeUnreachable(f"{exchange} does not answer")


def _known(
    error: BaseException, exchange: str, subject: str, symbol: str | None
) -> BridgeError | None:
    if isinstance(error, ccxt.BadSymbol | trading_errors.UnSupportedSymbolError):
        return SymbolNotTraded(f"{symbol or 'the symbol'} is not traded on {exchange} any more")
    if isinstance(error, ccxt.OnMaintenance):
        return ExchangeMaintenance(f"{exchange} is under maintenance")
    if isinstance(error, _RATE_LIMITED):
        return ExchangeRateLimited(f"{exchange} takes no more requests for now")
    if isinstance(error, ccxt.InvalidNonce):
        return ExchangeRefused(f"{exchange} refused the time of the request: check the clock")
    if isinstance(error, ccxt.AuthenticationError | trading_errors.AuthenticationError):
        return ExchangeAuthenticationFailed(f"{exchange} refused the API key")
    if isinstance(error, ccxt.BadResponse | trading_errors.UnexpectedAdapterError):
        return ExchangeAnswerUnreadable(f"{exchange} sent {subject} that cannot be read")
    if isinstance(error, ccxt.NotSupported) or type(error) is trading_errors.NotSupported:
        return ExchangeUnreachable(f"{exchange} does not offer {subject}")
    if isinstance(error, ccxt.ExchangeError):
        return ExchangeRefused(f"{exchange} refused to tell {subject}")
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then those that it was raised for."""
    current: BaseException | None = error
    for _ in range(_DEPTH):
        if current is None:
            break
        yield current
        current = current.__cause__ or current.__context__
