"""BACKEND_HOME: owned by one process, adopted with what the user left there."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.backend_process import running

pytestmark = pytest.mark.long


def test_a_second_process_is_told_whose_the_home_is_and_a_kill_frees_it(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        first.ready()
        with running(tmp_path) as second:
            _, told = second.process.communicate(timeout=180)
        assert second.process.returncode == 2
        assert (
            told.strip()
            .splitlines()[-1]
            .endswith(
                f"BACKEND_HOME {tmp_path} is in use by process {first.process.pid}: "
                "stop it or choose another"
            )
        )
        first.stop(signal.SIGKILL)
    with running(tmp_path) as third:
        third.ready()
        assert third.stop() == 0


def test_a_folder_of_ones_own_is_adopted_with_its_profile(tmp_path: Path) -> None:
    with running(tmp_path / "template", symbols="ETH/USDT,SOL/USDT") as template:
        template.ready()
        assert template.stop() == 0
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
    with running(tmp_path / "home", symbols="BTC/USDT") as backend:
        backend.ready()
        exchange = backend.ask("GET", "/exchanges").json()["data"][0]
        shown = backend.ask("GET", "/config").json()["data"]
        assert backend.stop() == 0
    assert exchange["symbols"] == ["ETH/USDT", "SOL/USDT"]
    assert exchange["trading"] == "paper"  # only the setting makes it real
    assert shown["profile"]["profile"]["id"] == "my-own"
    assert json.loads((mine / "profile.json").read_text("utf-8"))["profile"]["name"] == "My own"


def test_an_exchange_out_of_reach_leaves_the_api_serving(tmp_path: Path) -> None:
    with running(tmp_path, exchange="kraken") as backend:
        backend.wait_until("/healthz", 200)
        missing = backend.wait_until("/readyz", 503)
        assert "kraken" in json.dumps(missing)
        answer = backend.ask("GET", "/portfolio")
        assert answer.status_code == 503
        assert answer.json()["type"] == "bot_not_ready"
        assert int(answer.headers["Retry-After"]) > 0
        bot = backend.ask("GET", "/bot").json()["data"]
        assert bot["state"] in ("starting", "failed")
        assert bot["exchanges"] == [{"exchange": "kraken", "ready": False}]
        assert backend.ask("GET", "/config").status_code == 200
        assert backend.stop() == 0
