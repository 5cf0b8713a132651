"""The sandbox exchange as this process runs it: market, account, the hand on its prices."""

from __future__ import annotations

from decimal import Decimal

from backend.errors import InvalidSymbol, NotFound
from backend.sandbox import install
from backend.sandbox.market.listings import LISTINGS, UnknownSymbol, is_listed
from backend.sandbox.market.market import Market
from backend.sandbox.matching.engine import MatchingEngine
from backend.sandbox.matching.faults import Faults
from backend.settings.model import Settings

SANDBOX = "sandbox"
SANDBOX_KEY = "sandbox"
"""API key and secret of the one account at the sandbox; it opens with BACKEND_PAPER_BALANCE."""


class SandboxControl:
    """Sets sandbox prices and faults, for people who test their clients and for our tests."""

    def __init__(self, settings: Settings) -> None:
        self._market: Market | None = None
        self._engine: MatchingEngine | None = None
        if SANDBOX in settings.exchange:
            self._market = Market(
                seed=settings.sandbox_seed,
                speed=settings.sandbox_speed,
                symbols=dict.fromkeys((*LISTINGS, *filter(is_listed, settings.symbols))),
            )
            self._engine = MatchingEngine(
                self._market,
                {SANDBOX_KEY: settings.paper_balance},
                file=settings.home / "sandbox.json" if settings.trading == "real" else None,
            )
            install(self._market, self._engine)

    @property
    def faults(self) -> Faults:
        """What can be made to go wrong at the sandbox; in-process only."""
        if self._engine is None:
            raise NotFound("the sandbox exchange is not in use")
        return self._engine.faults

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a symbol at this price until it is moved or released."""
        self._steer(symbol).pin(symbol, price)

    def move(self, symbol: str, price: Decimal) -> None:
        """Jump to this price and go on from there."""
        self._steer(symbol).move(symbol, price)

    def release(self, symbol: str) -> None:
        """Let a pinned price go on by itself."""
        self._steer(symbol).release(symbol)

    def _steer(self, symbol: str) -> Market:
        if self._market is None:
            raise NotFound("the sandbox exchange is not in use")
        try:
            self._market.listing(symbol)
        except UnknownSymbol:
            raise InvalidSymbol(f"{symbol} is not traded on {SANDBOX}") from None
        return self._market
