"""Fetches the executions of real orders as soon as an exchange tells that some have filled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from backend.bridge.ledger.real_fills import RealFills
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order_lookup import LookUpFailed
from backend.schemas.orders import Order

_RETRIES_S = (0.3, 0.7, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_LAST_RETRY_S = 60.0
_GIVE_UP_S = 24 * 3600
_LOOKS_AT_ENDED = 5
_SETTLED_WITHIN_S = 2.0
_CLOCK_SLACK = timedelta(minutes=2)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Due:
    """An order that lacks executions; `done` is set when it has them or was looked up."""

    order_id: str
    symbol: str
    since: float
    next_at: float
    attempts: int
    looked_up: asyncio.Event


class ExecutionFetcher:
    """Fetches executions at one exchange in one run of the bot; used on the bot's loop only.

    One request serves all orders of a symbol. What an exchange does not tell at the first look is
    estimated meanwhile, and asked for again at growing intervals.
    """

    def __init__(
        self,
        exchange: Exchange,
        fills: RealFills,
        create_task: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._exchange = exchange
        self._fills = fills
        self._create_task = create_task
        self._due: dict[str, _Due] = {}
        self._running: set[str] = set()

    def begin(self) -> None:
        """Fetch what earlier runs have left, and go on until the bot stops."""
        for order in self._fills.left_due(self._exchange.name):
            self.fetch_soon(order)
        self._create_task(self._retry())

    def fetch_soon(self, order: Order) -> None:
        """Fetch the executions of an order now, or again as soon as the present look is over."""
        now = time.monotonic()
        due = self._due.get(order.id)
        if due is None:
            due = _Due(order.id, order.symbol, now, now, 0, asyncio.Event())
            self._due[order.id] = due
        else:
            due.next_at = now
        self._run(order.symbol)

    async def wait_for(self, order_id: str) -> None:
        """Wait until an order was looked at, a moment at most."""
        due = self._due.get(order_id)
        if due is not None:
            try:
                await asyncio.wait_for(due.looked_up.wait(), _SETTLED_WITHIN_S)
            except (TimeoutError, asyncio.TimeoutError):
                log.warning("the executions of order %s are not known yet", order_id)

    async def _retry(self) -> None:
        while True:
            await asyncio.sleep(_RETRIES_S[0])
            now = time.monotonic()
            for symbol in {due.symbol for due in self._due.values() if due.next_at <= now}:
                self._run(symbol)

    def _run(self, symbol: str) -> None:
        if symbol not in self._running:
            self._running.add(symbol)
            self._create_task(self._fetch_symbol(symbol))

    async def _fetch_symbol(self, symbol: str) -> None:
        try:
            while dues := self._ripe(symbol):
                for due in dues:
                    due.next_at = time.monotonic() + self._pause(due)
                    due.attempts += 1
                await self._fetch(symbol, dues)
        except Exception:  # the next retry goes on
            log.exception("executions of %s could not be fetched", symbol)
        finally:
            self._running.discard(symbol)

    def _ripe(self, symbol: str) -> list[_Due]:
        now = time.monotonic()
        return [due for due in self._due.values() if due.symbol == symbol and due.next_at <= now]

    def _pause(self, due: _Due) -> float:
        return _RETRIES_S[due.attempts] if due.attempts < len(_RETRIES_S) else _LAST_RETRY_S

    async def _fetch(self, symbol: str, dues: list[_Due]) -> None:
        try:
            await self._fetch_lists(symbol, dues)
            await self._fetch_each(dues)
        except LookUpFailed as error:
            log.warning("executions of %s cannot be fetched: %s", symbol, error)
        for due in dues:
            self._conclude(due)

    async def _fetch_lists(self, symbol: str, dues: list[_Due]) -> None:
        """Fetch the newest executions; if they do not reach back far enough, the ones since."""
        executions, name = self._exchange.executions, self._exchange.name
        found = await executions.of_symbol(symbol)
        if not found:
            return
        self._fills.record(name, found)
        left = [order for order in map(self._lacking, dues) if order is not None]
        if left:
            since = min(order.created_at for order in left) - _CLOCK_SLACK
            if found[0].executed_at > since:
                self._fills.record(name, await executions.of_symbol(symbol, since) or ())

    async def _fetch_each(self, dues: list[_Due]) -> None:
        for due in dues:
            order = self._lacking(due)
            exchange_id = self._fills.exchange_id(due.order_id)
            if order is None or exchange_id is None:
                continue
            told = self._fills.told(order)
            if told is None or not told.is_final:
                await self._exchange.executions.refresh(exchange_id, order.symbol)
            found = await self._exchange.executions.of_order(exchange_id, order.symbol)
            self._fills.record(self._exchange.name, found or ())

    def _lacking(self, due: _Due) -> Order | None:
        order = self._fills.order(due.order_id)
        return order if order is not None and self._fills.is_due(order) else None

    def _conclude(self, due: _Due) -> None:
        """Drop an order that lacks nothing; estimate what is not told of another one."""
        order = self._fills.order(due.order_id)
        if order is not None:
            self._fills.correct(order)
            order = self._fills.order(due.order_id)
        if order is None or not self._fills.is_due(order) or self._is_hopeless(due, order):
            self._due.pop(due.order_id, None)
        else:
            self._fills.estimate(order)
            if time.monotonic() - due.since > _GIVE_UP_S:
                del self._due[due.order_id]
        due.looked_up.set()

    def _is_hopeless(self, due: _Due, order: Order) -> bool:
        """Return whether an ended order lacks nothing but its exchange's last word of it."""
        return due.attempts >= _LOOKS_AT_ENDED and not self._fills.lacks(order)
