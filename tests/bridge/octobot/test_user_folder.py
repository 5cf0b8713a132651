"""BACKEND_HOME: owned by one process, adopted with what the user left there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.server_process import fork_server_at

pytestmark = pytest.mark.long


def test_a_second_process_is_told_whose_the_home_is_and_a_kill_frees_it(tmp_path: Path) -> None:
    with fork_server_at(tmp_path) as fork_server, fork_server_at(tmp_path) as other:
        first = fork_server.start()
        first.api().wait_until_ready()
        assert other.try_start() is None
        told = other.log.read_text().splitlines()[-1]
        assert told.endswith(
            f"BACKEND_HOME {tmp_path} is in use by process {first.pid}: stop it or choose another"
        )
        first.kill()
        third = other.start()
        third.api().wait_until_ready()


def test_a_folder_of_ones_own_is_adopted_with_its_profile(tmp_path: Path) -> None:
    symbols = ["ETH/USDT", "SOL/USDT"]
    with fork_server_at(tmp_path / "template", symbols=symbols) as fork_server:
        template = fork_server.start()
        template.api().wait_until_ready()
        template.stop()
    user = tmp_path / "home" / "octobot" / "user"
    shutil.copytree(tmp_path / "template" / "octobot" / "user", user)
    (user / "backend-settings.json").unlink()
    profile = user / "profiles" / "backend"
    mine = profile.rename(user / "profiles" / "mine")
    document = json.loads((mine / "profile.json").read_text("utf-8"))
    document["profile"] |= {"id": "my-own", "name": "My own"}
    document["config"]["trader"]["enabled"] = True
    (mine / "profile.json").write_text(json.dumps(document), "utf-8")
    config = json.loads((user / "config.json").read_text("utf-8")) | {"profile": "my-own"}
    (user / "config.json").write_text(json.dumps(config), "utf-8")
    with fork_server_at(tmp_path / "home", symbols=["BTC/USDT"]) as fork_server:
        api = fork_server.start().api()
        api.wait_until_ready()
        api.login()
        exchange = api.get("/exchanges")[0]
        shown = api.get("/config")
    assert exchange["symbols"] == ["ETH/USDT", "SOL/USDT"]
    assert exchange["trading"] == "paper"  # only the setting makes it real
    assert shown["profile"]["profile"]["id"] == "my-own"
    assert json.loads((mine / "profile.json").read_text("utf-8"))["profile"]["name"] == "My own"


def test_an_exchange_out_of_reach_leaves_the_api_serving(tmp_path: Path) -> None:
    with fork_server_at(tmp_path, exchange=["kraken"]) as fork_server:
        server = fork_server.start()
        api = server.api()
        assert api.send("GET", "/healthz").status == 200
        missing = api.send("GET", "/readyz")
        assert missing.status == 503
        assert "kraken" in json.dumps(missing.json)
        api.login()
        answer = api.send("GET", "/portfolio")
        assert answer.status == 503
        assert answer.json["type"] == "bot_not_ready"
        assert int(answer.headers["Retry-After"]) > 0
        bot = api.get("/bot")
        assert bot["state"] in ("starting", "failed")
        assert bot["exchanges"] == [{"exchange": "kraken", "ready": False}]
        assert api.send("GET", "/config").status == 200
        server.stop()
