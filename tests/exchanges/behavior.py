"""Switches of the offline exchange: each names one way in which real exchanges differ."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

FeeKind = Literal["received", "base", "quote", "third", "several", "none"]
PrecisionMode = Literal["decimal_places", "tick_size", "significant_digits"]


class Failure(BaseModel):
    """Requests to an endpoint that fail: `error` names a class of ccxt's or of Python's.

    `after` fails when the request was carried out. `times` counts down, None is for ever; an
    `endpoint` of None is every one of them, public ones too.
    """

    endpoint: str | None
    error: str
    after: bool = False
    times: int | None = None


class Behavior(BaseModel):
    """How the exchange behaves; the defaults are those of a friendly one.

    Change it with `OfflineExchange.behave`, also while a bot of another process uses it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # ---- markets
    precision_mode: PrecisionMode = "decimal_places"
    """OctoBot without a tentacle of the exchange expects decimal places."""
    extra_markets: int = 0
    """As many further markets, `X0001/USDT` and so on, all at a price of 1."""
    delisted: tuple[str, ...] = ()
    """Symbols that are listed still, but raise BadSymbol."""

    # ---- what the exchange lacks
    lacks: tuple[str, ...] = ()
    """Capabilities of ccxt's `has`, such as `fetchOrder`; read when a client is made.

    Without `editOrder` ccxt cancels and creates.
    """

    # ---- executions
    parts: tuple[Decimal, ...] = (Decimal(1),)
    """Shares of an order that are executed one by one, each a trade of its own."""
    part_slippage: Decimal = Decimal(0)
    """Each further part of a market order costs so much more, as a share of the price."""
    market_filled: Decimal = Decimal(1)
    """Share of a market order that is executed at once."""
    market_rest: Literal["open", "closed", "canceled", "expired", "rejected"] = "canceled"
    """Status of a market order that was not executed whole."""

    # ---- fees
    fee: FeeKind = "received"
    """Currency of fees; `several` halves them between received asset and third currency."""
    fee_rates: tuple[Decimal, Decimal] = (Decimal("0.001"), Decimal("0.001"))
    """Of maker and taker; a negative one is a rebate."""
    third_asset: str = "BNB"
    third_price: Decimal = Decimal(500)
    """Price of the third currency in quote assets."""
    fees_in_orders: bool = True
    fees_in_trades: bool = True

    # ---- answers
    answers_id_only: bool = False
    """Commands answer with an id; the order's state has to be fetched."""
    told_statuses: dict[str, str | None] = {}
    """Statuses as told, by the true one: `{"canceled": "closed"}`, `"canceling"`, None."""
    average_told: Literal["always", "in_answers", "never"] = "always"
    """`in_answers`: later rows of an order have neither `average` nor `cost`."""
    slippage_limit: Decimal | None = None
    """Market orders are told with a limit so far from the price, as a share of it."""
    filled_told: bool = True
    """Whether rows of open orders tell `filled` and `remaining`."""
    trades_in_orders: bool = False
    """Whether rows of orders have their `trades`."""
    client_ids: Literal["kept", "lost", "zero", "prefixed"] = "kept"
    """Client order id as told: as sent, null, always "0", or after `x-`."""
    client_ids_in_trades: bool = False
    client_id_form: str | None = None
    """Expression that a client order id matches whole; others raise InvalidOrder."""
    edit_gives_new_id: bool = False
    trigger_types: Literal["plain", "named"] = "plain"
    """Type of conditional orders: `market`, `limit`; or `stop_loss`, `take_profit_limit`, …"""

    # ---- polls
    late_polls: int = 0
    """Reads of orders, trades and balances answer what they did so many reads ago."""
    doubled_rows: bool = False
    reordered_rows: bool = False
    hidden_orders: bool = False
    """Orders are in no list until this is off: the exchange is slow to show them."""
    hidden_trades: bool = False
    """Trades are in no list until this is off."""

    # ---- contracts
    hedged: bool = False
    """Long and short positions are apart."""
    null_position_rows: bool = False
    """Positions have null contracts, contract size and entry price."""

    # ---- availability
    maintenance: bool = False
    rate_limited: bool = False
    latency_s: float = 0
