"""A server in real trading on the sandbox exchange, with an account for a stored key."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from flask import Flask

from backend.concurrency.host import ThreadHost
from tests.api_client import PASSWORD, add_users, wait_until_ready
from tests.databases import make_settings

KEY = "canary-exchange-key-5f1c"
SECRET = "canary-exchange-secret-93ab"
KEYS = {"api_key": KEY, "api_secret": SECRET}
BALANCES = {"USDT": Decimal(123_456), "BTC": Decimal(7)}


@contextmanager
def real_app(home: Path, **settings: object) -> Iterator[Flask]:
    """Start everything with BACKEND_TRADING=real."""
    with warnings.catch_warnings():  # OctoBot's own imports warn
        warnings.simplefilter("ignore")
        from backend.sandbox.matching.accounts import Account
        from backend.start import running_app

    left = Path.cwd()
    account = Account.with_deposits(BALANCES).to_json()
    (home / "sandbox.json").write_text(json.dumps({"last_id": 0, "accounts": {KEY: account}}))
    made = make_settings(
        home,
        trading="real",
        admin_password=PASSWORD,
        rate_limit_enabled=False,
        sandbox_speed=1e-6,
        share_core=False,  # the tests' own threads, and what they start, are in this process
        **settings,
    )
    with running_app(made, ThreadHost()) as app:
        add_users(app)
        wait_until_ready(app)
        yield app
    os.chdir(left)


def at_exchange(app: Flask, key: str = KEY) -> dict[str, str]:
    """Return the status of an account's orders at the exchange, by client order id."""
    file = app.extensions["backend"].settings.home / "sandbox.json"
    account = json.loads(file.read_text())["accounts"][key]
    return {row["request"]["client_order_id"]: row["status"] for row in account["orders"]}
