"""Test of API keys: fetches the balances with a client apart from the bot's, with a timeout."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import ccxt
import ccxt.async_support

from backend.observability.masking import register_secrets
from backend.ports.exchange_keys import ExchangeKeys
from backend.schemas.exchange_keys import Outcome

_CLOSE_TIMEOUT_S = 2.0
# the first match counts: some classes are subclasses of others
_OUTCOMES: tuple[tuple[type[Exception], Outcome], ...] = (
    (ccxt.PermissionDenied, "permission_missing"),
    (ccxt.AuthenticationError, "key_refused"),
    (ccxt.InvalidNonce, "clock_wrong"),
    (ccxt.DDoSProtection, "rate_limited"),
    (ccxt.RequestTimeout, "timeout"),
    (asyncio.TimeoutError, "timeout"),
    (ccxt.NetworkError, "unreachable"),
)

log = logging.getLogger(__name__)


class KeyCheck:
    """Tests API keys at their exchange and reports the outcome in one word.

    It uses a loop and a ccxt client of its own: testing matters most when the bot cannot start
    with the keys, and reading a large exchange's markets would block the bot's loop.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def knows(self, exchange: str) -> bool:
        """Return whether ccxt knows the exchange."""
        return exchange in ccxt.async_support.exchanges

    def has_testnet(self, exchange: str) -> bool:
        """Return whether the exchange has a test network."""
        return self.knows(exchange) and "test" in getattr(ccxt, exchange)().urls

    def check(self, exchange: str, keys: ExchangeKeys) -> Outcome:
        """Fetch the balances and return the outcome; blocks, and raises nothing."""
        register_secrets(keys.api_key, keys.api_secret, keys.api_password)
        try:
            asyncio.run(self._fetch_balance(exchange, keys))
        except Exception as error:  # every error is an outcome
            # never the error's text: exchanges repeat the request in it
            log.info("testing keys at %s: %s", exchange, type(error).__name__)
            return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "refused")
        return "ok"

    async def _fetch_balance(self, exchange: str, keys: ExchangeKeys) -> None:
        client: Any = getattr(ccxt.async_support, exchange)(
            {
                "apiKey": keys.api_key,
                "secret": keys.api_secret,
                "password": keys.api_password or "",
                "timeout": int(self._timeout_s * 1000),
            }
        )
        try:
            if keys.sandboxed:
                client.set_sandbox_mode(True)
            await asyncio.wait_for(client.fetch_balance(), self._timeout_s)
        finally:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(client.close(), _CLOSE_TIMEOUT_S)
