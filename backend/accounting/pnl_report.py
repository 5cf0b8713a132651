"""Profit and loss report: totals per symbol and overall, from lots and present prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from backend.accounting.decimals import EXACT, ZERO, round_for_response
from backend.accounting.drawdown import MaxDrawdown
from backend.accounting.fifo import FifoLots
from backend.accounting.totals import FeeSum, Totals
from backend.accounting.valuation import price_of
from backend.schemas.accounting import Drawdown, FeeTotal, Pnl, PnlQuery, SymbolPnl

_RATIO_STEP = Decimal("1E-8")

ExchangeSymbol = tuple[str, str]
"""Exchange and symbol."""


@dataclass(frozen=True, slots=True)
class Market:
    """Present prices, by symbol, and the reference market that amounts are converted to."""

    prices: Mapping[str, Decimal]
    reference: str

    def rate(self, currency: str) -> Decimal | None:
        """Return the price of a currency in the reference market."""
        return price_of(self.prices, currency, self.reference)


def pnl_report(
    lots_by_symbol: Mapping[ExchangeSymbol, FifoLots],
    market: Market,
    query: PnlQuery,
    drawdown: MaxDrawdown | None,
) -> Pnl:
    """Return the profit and loss of the executions that a query selects.

    Realised amounts are of executions in [since, until), whatever the age of the
    lots they close; unrealised ones are of all open lots now. Amounts in another
    quote asset, and fees in a third currency, are converted to the reference market
    at present prices.
    """
    with localcontext(EXACT):
        sums = _ReportTotals(market, with_open=query.until is None)
        symbols = [
            sums.add(exchange, symbol, lots, _totals_in_period(lots, query))
            for (exchange, symbol), lots in sorted(lots_by_symbol.items(), key=lambda item: item[0])
            if query.symbol in (None, symbol)
        ]
        return _overall(sums, symbols, market, query, drawdown)


def _overall(
    sums: _ReportTotals,
    symbols: list[SymbolPnl],
    market: Market,
    query: PnlQuery,
    drawdown: MaxDrawdown | None,
) -> Pnl:
    closings, wins = sum(row.closings for row in symbols), sum(row.wins for row in symbols)
    return Pnl(
        reference_market=market.reference,
        since=query.since,
        until=query.until,
        trades=sum(row.trades for row in symbols),
        realized_pnl=round_for_response(sums.realized),
        unrealized_pnl=round_for_response(sums.unrealized) if sums.with_open else None,
        fees=round_for_response(sums.fee_value),
        net_pnl=round_for_response(sums.realized + sums.unrealized - sums.fee_value),
        closings=closings,
        wins=wins,
        losses=sum(row.losses for row in symbols),
        win_rate=(Decimal(wins) / closings).quantize(_RATIO_STEP) if closings else None,
        max_drawdown=None if drawdown is None else _drawdown_view(drawdown),
        unpriced=sorted(sums.unpriced),
        fees_paid=sums.fee_totals(),
        symbols=symbols,
    )


class _ReportTotals:
    """Sums over symbols, converted to the reference market."""

    def __init__(self, market: Market, *, with_open: bool) -> None:
        self._market = market
        self.with_open = with_open
        self.realized = self.unrealized = self.fee_value = ZERO
        self.unpriced: set[str] = set()
        self._fees: dict[str, FeeSum] = {}

    def add(self, exchange: str, symbol: str, lots: FifoLots, totals: Totals) -> SymbolPnl:
        mark_price = self._market.prices.get(symbol)
        quantity, unrealized = lots.quantity, self._unrealized(symbol, lots, mark_price)
        self.realized += self._converted(totals.realized, lots.quote) or ZERO
        self.unrealized += self._converted(unrealized or ZERO, lots.quote) or ZERO
        return SymbolPnl(
            exchange=exchange,
            symbol=symbol,
            quote=lots.quote,
            trades=totals.trades,
            realized_pnl=round_for_response(totals.realized),
            unrealized_pnl=None if unrealized is None else round_for_response(unrealized),
            quantity=round_for_response(quantity),
            entry_price=round_for_response(lots.cost / abs(quantity)) if quantity else None,
            mark_price=mark_price,
            unmatched_quantity=round_for_response(totals.unmatched),
            fees=[
                self._fee_total(currency, fee, lots.quote)
                for currency, fee in sorted(totals.fees.items())
            ],
            closings=totals.closings,
            wins=totals.wins,
            losses=totals.losses,
        )

    def fee_totals(self) -> list[FeeTotal]:
        """Return the fees of all symbols by currency."""
        return [_fee_view(currency, fee) for currency, fee in sorted(self._fees.items())]

    def _unrealized(self, symbol: str, lots: FifoLots, price: Decimal | None) -> Decimal | None:
        if not self.with_open:
            return None
        if price is None and lots.quantity:
            self.unpriced.add(symbol)
            return None
        return lots.unrealized(price or ZERO)

    def _fee_total(self, currency: str, fee: FeeSum, quote: str) -> FeeTotal:
        if fee.value is not None:
            value = self._converted(fee.value, quote)
        else:
            value = self._converted(fee.cost, currency)
        cost, before = self._fees.get(currency, (ZERO, ZERO))
        known = None if before is None or value is None else before + value
        self._fees[currency] = FeeSum(cost + fee.cost, known)
        self.fee_value += value or ZERO
        return _fee_view(currency, FeeSum(fee.cost, value))

    def _converted(self, amount: Decimal, currency: str) -> Decimal | None:
        """Return an amount in the reference market; None, and added to `unpriced`, if unknown."""
        if not amount:
            return ZERO
        rate = self._market.rate(currency)
        if rate is None:
            self.unpriced.add(currency)
            return None
        return amount * rate


def _totals_in_period(lots: FifoLots, query: PnlQuery) -> Totals:
    since, until = query.since, query.until
    if since is None and until is None:
        return lots.totals
    return Totals(
        row
        for row in lots.executions
        if (since is None or row.executed_at >= since)
        and (until is None or row.executed_at < until)
    )


def _fee_view(currency: str, fee: FeeSum) -> FeeTotal:
    value = None if fee.value is None else round_for_response(fee.value)
    return FeeTotal(currency=currency, cost=round_for_response(fee.cost), value=value)


def _drawdown_view(drawdown: MaxDrawdown) -> Drawdown:
    return Drawdown(
        value=round_for_response(drawdown.amount),
        ratio=drawdown.ratio.quantize(_RATIO_STEP),
        peak_at=drawdown.peak_at,
        trough_at=drawdown.trough_at,
    )
