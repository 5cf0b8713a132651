"""Daily loss monitor: pauses trading at the daily loss limit, and resumes it the next day."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from backend.accounting.risk import RiskLimits, TradingDay
from backend.bridge.ledger.bot_state import SavedBotState
from backend.bridge.runtime.runner import BotRunner
from backend.bridge.status import Status
from backend.ports.account_value import AccountValue
from backend.schemas.common import utc_now

_REASON = "the day's loss has reached the risk limit"

log = logging.getLogger(__name__)


class DailyLossMonitor:
    """Monitors the account's value and pauses the bot at the limit; used on the bot's loop.

    Its pause ends when a user resumes the bot, or at midnight UTC; midnight ends no other pause.
    """

    def __init__(self, runner: BotRunner, limits: RiskLimits, saved_state: SavedBotState) -> None:
        self._runner = runner
        self._limits = limits
        self._saved_state = saved_state
        self._is_watching = False
        self._state = runner.status.state
        saved_day = saved_state.load("day")
        if saved_day:
            limits.restore(_day_from(saved_day))

    def begin(self) -> None:
        """Start monitoring: values published while the account was restored do not count."""
        self._is_watching = True

    def note_value(self, value: AccountValue) -> None:
        """Process a new value of the account: pause the bot, or end the pause, by the limit."""
        if not self._is_watching:
            return
        if value.complete:
            series = (value.account, value.reference_market)
            self._limits.record_values(
                series, value.values, utc_now(), value.unpriced, value.pending
            )
            self._save_day()
        status = self._runner.status
        if self._limits.loss_limit_reached and status.state == "running":
            log.warning("trading is paused: %s", _REASON)
            self._runner.set_paused(True, _REASON)
        elif not self._limits.loss_limit_reached and status == ("paused", _REASON):
            self._runner.set_paused(False)

    def note_status(self, status: Status) -> None:
        """Treat a user's resume as permission to continue; called at each change of state."""
        before, self._state = self._state, status.state
        if status.state not in ("running", "paused"):
            self._is_watching = False
        if status.state == "paused":
            return
        if before == "paused" and status.state == "running" and self._limits.loss_limit_reached:
            self._limits.resume(utc_now())
            self._save_day()

    def _save_day(self) -> None:
        """Save the start value of the day's loss, and the lowest value if that was too low."""
        day = self._limits.day
        if day is not None:
            reached = self._limits.loss_limit_reached
            self._saved_state.save(
                "day",
                series=list(day.series),
                counted_since=day.counted_since.isoformat(),
                opening_value=str(day.opening_value),
                lowest_value=str(day.lowest_value if reached else day.opening_value),
                counted=sorted(day.counted),
                left_out=sorted(day.left_out),
            )


def _day_from(saved: Mapping[str, Any]) -> TradingDay:
    account, reference_market = saved["series"]
    lowest = Decimal(saved["lowest_value"])
    return TradingDay(
        series=(account, reference_market),
        counted_since=datetime.fromisoformat(saved["counted_since"]),
        opening_value=Decimal(saved["opening_value"]),
        value=lowest,
        lowest_value=lowest,
        counted=frozenset(saved.get("counted", ())),
        left_out=frozenset(saved.get("left_out", ())),
    )
