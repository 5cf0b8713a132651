"""State of the offline exchange: an account's orders, executions and balances, as one JSON file."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from tests.exchanges.behavior import Behavior, Failure
from tests.exchanges.listings import Listing

Side = Literal["buy", "sell"]
Status = Literal["open", "closed", "canceled", "expired", "rejected"]
Liquidity = Literal["maker", "taker"]
ZERO = Decimal(0)


class Charge(BaseModel):
    """A fee; a negative cost is a rebate."""

    cost: Decimal
    currency: str


class Execution(BaseModel):
    """One execution of an order."""

    id: str
    order_id: str
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal
    cost: Decimal
    fees: list[Charge]
    liquidity: Liquidity
    time_ms: int


class Order(BaseModel):
    """An order as the exchange has it; amounts of contracts are in contracts.

    `lock_unit` is locked for each unit of the amount that is not executed.
    """

    id: str
    client_id: str | None
    symbol: str
    side: Side
    type: Literal["market", "limit"]
    amount: Decimal
    price: Decimal | None
    trigger: Decimal | None = None
    trigger_kind: Literal["stop_loss", "take_profit"] | None = None
    is_triggered: bool = False
    reduce_only: bool = False
    post_only: bool = False
    time_in_force: str | None = None
    status: Status = "open"
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    locked: Decimal = ZERO
    lock_unit: Decimal = ZERO
    created_ms: int
    updated_ms: int


class Wallet(BaseModel):
    """Free and locked amount of an asset."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


class Position(BaseModel):
    """Contracts that are held, negative when short, and their average price."""

    contracts: Decimal = ZERO
    entry_price: Decimal = ZERO
    realized: Decimal = ZERO
    leverage: int = 10
    margin_mode: Literal["cross", "isolated"] = "cross"


class Flow(BaseModel):
    """A deposit, or with a negative amount a withdrawal; or what else changes balances."""

    id: str
    kind: str
    asset: str
    amount: Decimal
    time_ms: int


class State(BaseModel):
    """Everything that the exchange knows."""

    behavior: Behavior
    listings: dict[str, Listing]
    prices: dict[str, Decimal]
    wallets: dict[str, Wallet]
    failures: list[Failure] = []
    orders: dict[str, Order] = {}
    executions: list[Execution] = []
    positions: dict[str, Position] = {}
    flows: list[Flow] = []
    requests: dict[str, int] = {}
    last_id: int = 0

    def wallet(self, asset: str) -> Wallet:
        """Return an asset's wallet."""
        return self.wallets.setdefault(asset, Wallet())

    def next_id(self) -> str:
        """Return an id that was never given."""
        self.last_id += 1
        return str(self.last_id)


class StateFile:
    """A file with a state, which several processes may change, one after the other.

    A killed process leaves the state as it was before its change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[bytes, State] | None = None

    @contextmanager
    def changing(self) -> Iterator[State]:
        """Lock the file and write the state when the block ends; on an error nothing changes."""
        with self._locked():
            state = State.model_validate_json(self.path.read_bytes())
            yield state
            self.write(state)

    def read(self) -> State:
        """Return the present state; changes of it are not written."""
        with self._locked():
            return self._load().model_copy(deep=True)

    def peek(self) -> State:
        """Return the present state without a copy; the caller changes nothing."""
        with self._locked():
            return self._load()

    def write(self, state: State) -> None:
        """Replace the file at once."""
        content = state.model_dump_json().encode()
        temporary = self.path.with_suffix(".tmp")
        temporary.write_bytes(content)
        temporary.replace(self.path)
        self._known = (content, state)

    def _load(self) -> State:
        content = self.path.read_bytes()
        if self._known is None or self._known[0] != content:
            self._known = (content, State.model_validate_json(content))
        return self._known[1]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
