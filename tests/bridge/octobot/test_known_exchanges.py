"""Exchanges that nobody knows: refused at the start, named where OctoBot's own folder has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.bridge import require_known_exchanges
from backend.concurrency.host import ThreadHost
from backend.settings.model import SettingsError
from backend.start import running_app
from tests.bridge.live_bridge import LiveBridge, make_settings, wait_until
from tests.waiting import shutting_down


def test_an_exchange_that_ccxt_does_not_have_stops_the_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = make_settings(home, exchange=("sandbox", "binnance"))
    with (
        pytest.raises(SettingsError, match=r"BACKEND_EXCHANGE: .* binnance; .*binance"),
        running_app(settings, ThreadHost()),
    ):
        pass
    assert not home.exists()


def test_one_that_is_like_none_is_named_alone(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        require_known_exchanges(make_settings(tmp_path, exchange=("qqqqqqqqqqqq",)))
    assert str(refusal.value) == "BACKEND_EXCHANGE: ccxt knows no exchange qqqqqqqqqqqq"


@pytest.mark.parametrize("name", ["sandbox", "binance", "kraken"])
def test_those_that_there_are_are_taken(tmp_path: Path, name: str) -> None:
    require_known_exchanges(make_settings(tmp_path, exchange=(name,)))


def test_one_in_a_folder_of_the_users_is_named_by_the_bots_state(tmp_path: Path) -> None:
    with shutting_down(LiveBridge(make_settings(tmp_path / "home")).boot()) as live:
        live.bridge.bot.stop()
        user = live.settings.home / "octobot" / "user"
        (user / "backend-settings.json").unlink()
        for name in ("config.json", "profiles/backend/profile.json"):
            text = (user / name).read_text("utf-8")
            (user / name).write_text(text.replace('"sandbox"', '"binnance"'), "utf-8")
        assert "binnance" in json.loads((user / "config.json").read_text("utf-8"))["exchanges"]
        require_known_exchanges(live.settings.model_copy(update={"exchange": ("binnance",)}))
        live.bridge.boot()
        assert wait_until(lambda: live.state == "failed")
        reason = live.bridge.bot.status().reason
        assert reason == "cannot connect to binnance: ccxt knows no exchange binnance"
