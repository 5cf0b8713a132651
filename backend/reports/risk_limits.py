"""Risk limits for the API: reads them and persists changes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from backend.accounting.risk import Limits, RiskLimits, TradingDay
from backend.schemas.common import utc_now
from backend.schemas.risk import LimitSource, Risk, RiskChange, RiskDay, RiskSources
from backend.store import Database
from backend.store import risk as stored

if TYPE_CHECKING:
    from backend.bridge import Bridge


class RiskLimitsService:
    """Reads and changes the limits that the bridge enforces; changing blocks."""

    def __init__(self, bridge: Bridge, database: Database) -> None:
        self._bridge = bridge
        self._database = database
        self._lock = threading.Lock()
        self._limits: RiskLimits = bridge.risk
        self._limits.change(_limits(database.read(stored.get_limits)))

    def read(self) -> Risk:
        """Return the limits in force and the day's loss."""
        limits, value = self._limits.current(), self._bridge.portfolio.account_value()
        return Risk(
            max_order_value=limits.max_order_value,
            max_open_orders=limits.max_open_orders,
            symbols=None if limits.symbols is None else sorted(limits.symbols),
            max_daily_loss=limits.max_daily_loss,
            sources=RiskSources(
                **{name: self._source(limits, name) for name in RiskSources.model_fields}
            ),
            reference_market=None if value is None else value.reference_market,
            day=_day_view(self._limits),
        )

    def change(self, change: RiskChange) -> Risk:
        """Override limits of the settings, or remove the override of those that are null.

        A change is stored before it is in force.
        """
        named = change.model_dump(mode="json", include=change.model_fields_set)
        values = {
            name: None if value is None else orjson.dumps(value).decode()
            for name, value in named.items()
        }
        with self._lock:
            changed = self._database.write(stored.update_limits, values, utc_now())
            self._limits.change(_limits(changed))
        return self.read()

    def _source(self, limits: Limits, name: str) -> LimitSource:
        if name in self._limits.changed:
            return "changed"
        return "off" if getattr(limits, name) is None else "setting"


def _limits(values: Mapping[str, str]) -> dict[str, Any]:
    """Return stored limits as arguments of `RiskLimits.change`."""
    read = RiskChange.model_validate({name: orjson.loads(text) for name, text in values.items()})
    limits = read.model_dump(include=read.model_fields_set)
    if read.symbols is not None:
        limits["symbols"] = frozenset(read.symbols)
    return limits


def _day_view(limits: RiskLimits) -> RiskDay | None:
    day: TradingDay | None = limits.day
    if day is None:
        return None
    return RiskDay(
        counted_since=day.counted_since,
        opening_value=day.opening_value,
        value=day.value,
        loss=None if limits.unpriced else day.loss,
        unpriced=sorted(limits.unpriced),
        left_out=sorted(day.left_out),
        limit_reached=limits.loss_limit_reached,
    )
