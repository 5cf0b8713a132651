"""Translation of OctoBot's order errors into the API's errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import octobot_trading.errors as trading_errors

from backend.accounting.balances import is_contract
from backend.errors import (
    ExchangeAuthenticationFailed,
    ExchangeRefused,
    ExchangeUnreachable,
    InsufficientFunds,
)

NO_ANSWER = "the exchange did not answer"


def creation_refused(reason: str) -> Exception:
    """Return OctoBot's error for a strategy's order that was not created."""
    refusal: Exception = trading_errors.OrderCreationError(reason)
    return refusal


@contextlib.contextmanager
def translate_order_errors(symbol: str, side: str) -> Iterator[None]:
    """Raise the API's error instead of OctoBot's for an order that was not accepted."""
    try:
        yield
    except (trading_errors.MissingFunds, trading_errors.PortfolioNegativeValueError):
        base, quote = symbol.split(":")[0].split("/")
        asset = quote if side == "buy" or is_contract(symbol) else base
        raise InsufficientFunds(f"not enough {asset} available for this order") from None
    except trading_errors.ExchangeCompliancyError:
        raise ExchangeRefused("the exchange does not let this account trade that") from None
    except trading_errors.AuthenticationError:
        raise ExchangeAuthenticationFailed("the exchange refused the API key") from None
    except trading_errors.OrderCreationError:
        raise ExchangeRefused("the exchange refused the order") from None
    except trading_errors.OctoBotExchangeError:
        raise ExchangeUnreachable(NO_ANSWER) from None
