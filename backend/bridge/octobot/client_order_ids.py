"""Client order ids in the form that each exchange accepts, made from the ids of our orders.

Sources: the request builders of ccxt, and the exchanges' own documentation of the field.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

FormName = Literal["uuid", "hex", "0x hex", "t- text", "number", "none"]

_PLACEHOLDERS = frozenset({"", "0", "None"})
"""Values that exchanges give to orders without a client order id: Kraken's `userref` is 0."""


class ClientIdForm(NamedTuple):
    """Form of an exchange's client order ids; `parameter` is the key that ccxt passes on.

    `bits` bounds the whole numbers, which start at 1.
    """

    name: FormName
    parameter: str = "clientOrderId"
    bits: int = 0

    def encode(self, order_id: str) -> str | int | None:
        """Return the client order id for an order id of ours, always the same; None without one."""
        if self.name == "uuid":
            return order_id
        number = _number(order_id)
        if self.name == "number":
            return number % ((1 << self.bits) - 1) + 1
        return _ENCODERS[self.name](number)


def _number(order_id: str) -> int:
    """Return the 128 bits of an order id; other ids than UUIDs are hashed to one."""
    try:
        return uuid.UUID(order_id).int
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, order_id).int


def _base32(number: int) -> str:
    return base64.b32encode(number.to_bytes(16, "big")).decode().rstrip("=").lower()


_ENCODERS: Mapping[FormName, Callable[[int], str | None]] = {
    "hex": lambda number: f"{number:032x}",
    "0x hex": lambda number: f"0x{number:032x}",
    "t- text": lambda number: f"t-{_base32(number)}",  # 28 characters, Gate's limit
    "none": lambda _: None,
}

_UUID, _HEX, _NONE = ClientIdForm("uuid"), ClientIdForm("hex"), ClientIdForm("none")
_INT63 = ClientIdForm("number", bits=63)

_FORMS: Mapping[str, ClientIdForm] = {
    "arkham": _INT63,
    "ascendex": _HEX,
    "backpack": ClientIdForm("number", bits=32),
    "bitfinex": ClientIdForm("number", bits=45),
    "bitmart": _HEX,
    "coinbase": ClientIdForm("uuid", "client_order_id"),
    "coinbaseadvanced": ClientIdForm("uuid", "client_order_id"),
    "coinbaseinternational": ClientIdForm("uuid", "client_order_id"),
    "coinex": _HEX,
    "cryptocom": ClientIdForm("uuid", "client_oid"),
    "deribit": ClientIdForm("uuid", "label"),
    "dydx": ClientIdForm("number", bits=31),
    "exmo": ClientIdForm("number", bits=31),
    "gate": ClientIdForm("t- text"),
    "gateio": ClientIdForm("t- text"),
    "hyperliquid": ClientIdForm("0x hex"),
    "lbank": _HEX,
    "mexc": _HEX,
    "myokx": _HEX,
    "ndax": _INT63,
    "okx": _HEX,
    "okxus": _HEX,
    "oxfun": _INT63,
    "whitebit": _HEX,
    "woo": _INT63,
    "xt": _HEX,
}
_OF_CONTRACTS: Mapping[str, ClientIdForm] = {
    "htx": ClientIdForm("number", "client_order_id", bits=63),
    "huobi": ClientIdForm("number", "client_order_id", bits=63),
}
_WITHOUT = frozenset(
    {
        *("bit2c", "bitbank", "bitflyer", "bithumb", "bitopro", "bitso", "bitteam", "btcalpha"),
        *("btcbox", "coincheck", "coinmate", "coinone", "coinspot", "digifinex", "hibachi"),
        *("independentreserve", "indodax", "luno", "mercado", "novadax", "oceanex", "p2b"),
        *("paymium", "timex", "wavesexchange", "yobit", "zaif"),
    }
)
"""Exchanges for which ccxt passes no client order id on."""


def form_of(exchange: str, *, is_futures: bool = False) -> ClientIdForm:
    """Return the form of an exchange: a UUID unless it is known to differ."""
    if exchange in _WITHOUT:
        return _NONE
    form = _FORMS.get(exchange, _UUID)
    return _OF_CONTRACTS.get(exchange, form) if is_futures else form


class ClientOrderIds:
    """Client order ids at one exchange."""

    __slots__ = ("form",)

    def __init__(self, exchange: str, *, is_futures: bool = False) -> None:
        self.form = form_of(exchange, is_futures=is_futures)

    def sent_id(self, order_id: str) -> str | None:
        """Return the client order id, as text, that an order is sent with; None without one."""
        encoded = self.form.encode(order_id)
        return None if encoded is None else str(encoded)

    def params(self, order_id: str) -> dict[str, Any]:
        """Return ccxt's parameters for a new order with this id of ours."""
        encoded = self.form.encode(order_id)
        return {} if encoded is None else {self.form.parameter: encoded}

    def matches(self, raw: Mapping[str, Any], order_id: str) -> bool:
        """Return whether an exchange's row has the client order id of this id of ours.

        Some exchanges tell it with a prefix of theirs, and other case.
        """
        told, sent = client_id_of(raw), self.sent_id(order_id)
        if told is None or sent is None:
            return False
        if self.form.name == "number":
            return told == sent
        return told.endswith(sent)


def are_params_of(order_id: str, params: Mapping[str, Any]) -> bool:
    """Return whether ccxt's parameters name an order by this id of ours, in any form."""
    forms = {*_FORMS.values(), *_OF_CONTRACTS.values(), _UUID}
    return any(params.get(form.parameter) == form.encode(order_id) for form in forms)


def client_id_of(raw: Mapping[str, Any]) -> str | None:
    """Return the client order id of an exchange's row; None where the exchange has none."""
    value = raw.get("clientOrderId")
    text = None if value is None else str(value).lower()
    return None if text is None or text in _PLACEHOLDERS else text
