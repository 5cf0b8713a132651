"""Patch that lets OctoBot read contracts whose margin mode the exchange does not tell.

Many exchanges name it only with an open position. In 2.0.15 and 2.1.1 such a contract cannot
be written to the log, which ends the update of its position; a later row sets the true mode.
tests/bridge/octobot/test_contract_size.py passes without the patch once it can.
"""

from __future__ import annotations

from typing import Any

from octobot_trading.constants import DEFAULT_SYMBOL_MARGIN_TYPE


def assume_margin_type(manager: Any) -> None:
    """Give contracts of an unknown margin mode OctoBot's default until the exchange tells it."""
    if not manager.is_future:
        return
    exchange = manager.exchange
    create = exchange.create_pair_contract

    def create_pair_contract(*args: Any, **fields: Any) -> Any:
        contract = create(*args, **fields)
        contract.margin_type = contract.margin_type or DEFAULT_SYMBOL_MARGIN_TYPE
        return contract

    exchange.create_pair_contract = create_pair_contract
    for contract in exchange.pair_contracts.values():
        contract.margin_type = contract.margin_type or DEFAULT_SYMBOL_MARGIN_TYPE
