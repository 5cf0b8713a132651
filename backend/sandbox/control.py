"""Control of the sandbox exchange of this process: its prices and faults."""

from __future__ import annotations

from decimal import Decimal

from backend.errors import InvalidSymbol, NotFound
from backend.sandbox.ccxt_api.description import SANDBOX
from backend.sandbox.ccxt_api.registration import install
from backend.sandbox.market.listings import LISTINGS, UnknownSymbol, is_listed
from backend.sandbox.market.market import Market
from backend.sandbox.matching.engine import MatchingEngine
from backend.sandbox.matching.faults import Faults
from backend.settings.model import Settings

SANDBOX_KEY = "sandbox"
"""API key and secret of the sandbox's one account, which opens with BACKEND_PAPER_BALANCE."""


class SandboxControl:
    """Pins, moves and releases sandbox prices and injects faults, for tests of clients."""

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
        """Fault injection of the sandbox; in-process only."""
        if self._engine is None:
            raise NotFound("the sandbox exchange is not in use")
        return self._engine.faults

    def pin(self, symbol: str, price: Decimal) -> None:
        """Pin a symbol to a price until it is moved or released."""
        self._listed_market(symbol).pin(symbol, price)

    def move(self, symbol: str, price: Decimal) -> None:
        """Jump to a price, from which the path continues."""
        self._listed_market(symbol).move(symbol, price)

    def release(self, symbol: str) -> None:
        """Release a pinned price."""
        self._listed_market(symbol).release(symbol)

    def _listed_market(self, symbol: str) -> Market:
        if self._market is None:
            raise NotFound("the sandbox exchange is not in use")
        try:
            self._market.listing(symbol)
        except UnknownSymbol:
            raise InvalidSymbol(f"{symbol} is not traded on {SANDBOX}") from None
        return self._market
