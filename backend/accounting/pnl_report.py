"""From books and prices to the figures that clients see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from backend.accounting.decimals import EXACT, ZERO, shown
from backend.accounting.drawdown import MaxDrawdown
from backend.accounting.fifo import FifoLots
from backend.accounting.totals import FeeSum, Totals
from backend.accounting.valuation import price_of
from backend.schemas.accounting import Drawdown, FeeTotal, Pnl, PnlQuery, SymbolPnl

_RATIO = Decimal("1E-8")

BookKey = tuple[str, str]
"""Exchange and symbol."""


@dataclass(frozen=True, slots=True)
class Market:
    """Present prices, by symbol, and the currency that all is counted in."""

    prices: Mapping[str, Decimal]
    reference: str

    def rate(self, currency: str) -> Decimal | None:
        """Return the price of a currency in the reference market."""
        return price_of(self.prices, currency, self.reference)


def report(
    books: Mapping[BookKey, FifoLots], market: Market, query: PnlQuery, fall: MaxDrawdown | None
) -> Pnl:
    """Sum up the executions that a query asks for.

    Realised amounts are of executions in [since, until), whatever the age of
    what they close; unrealised ones are of all that is open now. Amounts in
    another quote asset count in the reference market at its present price, and
    so do fees in a third currency.
    """
    with localcontext(EXACT):
        sums = _Sums(market, with_open=query.until is None)
        symbols = [
            sums.add(exchange, symbol, book, _asked(book, query))
            for (exchange, symbol), book in sorted(books.items(), key=lambda item: item[0])
            if query.symbol in (None, symbol)
        ]
        closings, wins = sum(row.closings for row in symbols), sum(row.wins for row in symbols)
        return Pnl(
            reference_market=market.reference,
            since=query.since,
            until=query.until,
            trades=sum(row.trades for row in symbols),
            realized_pnl=shown(sums.realized),
            unrealized_pnl=shown(sums.unrealized) if sums.with_open else None,
            fees=shown(sums.fee_value),
            net_pnl=shown(sums.realized + sums.unrealized - sums.fee_value),
            closings=closings,
            wins=wins,
            losses=sum(row.losses for row in symbols),
            win_rate=(Decimal(wins) / closings).quantize(_RATIO) if closings else None,
            max_drawdown=None if fall is None else _drawdown(fall),
            unpriced=sorted(sums.unpriced),
            fees_paid=sums.fees_paid(),
            symbols=symbols,
        )


class _Sums:
    """Adds symbols up in the reference market."""

    def __init__(self, market: Market, *, with_open: bool) -> None:
        self._market = market
        self.with_open = with_open
        self.realized = self.unrealized = self.fee_value = ZERO
        self.unpriced: set[str] = set()
        self._fees: dict[str, FeeSum] = {}

    def add(self, exchange: str, symbol: str, book: FifoLots, totals: Totals) -> SymbolPnl:
        mark_price = self._market.prices.get(symbol)
        quantity, unrealized = book.quantity, self._open_gain(symbol, book, mark_price)
        self.realized += self._converted(totals.realized, book.quote) or ZERO
        self.unrealized += self._converted(unrealized or ZERO, book.quote) or ZERO
        return SymbolPnl(
            exchange=exchange,
            symbol=symbol,
            quote=book.quote,
            trades=totals.trades,
            realized_pnl=shown(totals.realized),
            unrealized_pnl=None if unrealized is None else shown(unrealized),
            quantity=shown(quantity),
            entry_price=shown(book.cost / abs(quantity)) if quantity else None,
            mark_price=mark_price,
            unmatched_quantity=shown(totals.unmatched),
            fees=[
                self._fee_total(currency, fee, book.quote)
                for currency, fee in sorted(totals.fees.items())
            ],
            closings=totals.closings,
            wins=totals.wins,
            losses=totals.losses,
        )

    def fees_paid(self) -> list[FeeTotal]:
        """Return the fees of all symbols by currency."""
        return [_shown_fee(currency, fee) for currency, fee in sorted(self._fees.items())]

    def _open_gain(self, symbol: str, book: FifoLots, price: Decimal | None) -> Decimal | None:
        if not self.with_open:
            return None
        if price is None and book.quantity:
            self.unpriced.add(symbol)
            return None
        return book.unrealized(price or ZERO)

    def _fee_total(self, currency: str, fee: FeeSum, quote: str) -> FeeTotal:
        if fee.value is not None:
            value = self._converted(fee.value, quote)
        else:
            value = self._converted(fee.cost, currency)
        cost, before = self._fees.get(currency, (ZERO, ZERO))
        known = None if before is None or value is None else before + value
        self._fees[currency] = FeeSum(cost + fee.cost, known)
        self.fee_value += value or ZERO
        return _shown_fee(currency, FeeSum(fee.cost, value))

    def _converted(self, amount: Decimal, currency: str) -> Decimal | None:
        """Return an amount in the reference market; None, and noted, if that is not known."""
        if not amount:
            return ZERO
        rate = self._market.rate(currency)
        if rate is None:
            self.unpriced.add(currency)
            return None
        return amount * rate


def _asked(book: FifoLots, query: PnlQuery) -> Totals:
    since, until = query.since, query.until
    if since is None and until is None:
        return book.totals
    return Totals(
        row
        for row in book.booked
        if (since is None or row.executed_at >= since)
        and (until is None or row.executed_at < until)
    )


def _shown_fee(currency: str, fee: FeeSum) -> FeeTotal:
    value = None if fee.value is None else shown(fee.value)
    return FeeTotal(currency=currency, cost=shown(fee.cost), value=value)


def _drawdown(fall: MaxDrawdown) -> Drawdown:
    return Drawdown(
        value=shown(fall.amount),
        ratio=fall.ratio.quantize(_RATIO),
        peak_at=fall.peak_at,
        trough_at=fall.trough_at,
    )
