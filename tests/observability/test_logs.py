"""Logs: one JSON object a line, secrets masked whoever logs them, OctoBot kept off the console."""

from __future__ import annotations

import io
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import time_machine

from backend.middleware.access_log import access_log, log_access
from backend.observability import logs
from backend.observability.logs import Logs
from backend.observability.masking import mask_text, register_secrets


class Written:
    """The logs of a test, and what they wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.console = io.StringIO()
        self.logs = Logs(folder, self.console)

    def lines(self) -> list[dict[str, Any]]:
        self.logs.close()
        text = (self.folder / "backend.log").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    written = Written(tmp_path / "logs")
    yield written
    written.logs.close()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer ********"),
        ('{"password": "correct horse"}', '{"password": ********}'),
        ("GET /stream?ticket=abc&topics=bot", "GET /stream?ticket=********&topics=bot"),
        ("{'apiKey': 'abc', 'id': 1}", "{'apiKey': ********, 'id': 1}"),
        ("X-MBX-APIKEY=abc", "X-MBX-APIKEY=********"),
        ("api_secret: abc", "api_secret: ********"),
        ("https://x/?timestamp=1&signature=abc", "https://x/?timestamp=1&signature=********"),
        ("postgresql://user:pass@host/name", "postgresql://user:********@host/name"),
        ("got eyJhbGciOi.eyJzdWIiOi.c2ln here", "got ******** here"),
        ("refresh_token=abc", "refresh_token=********"),
    ],
)
def test_what_looks_like_a_credential_is_masked(text: str, shown: str) -> None:
    assert mask_text(text) == shown


@pytest.mark.parametrize(
    "text", ["the token expired", "BTC/USDT at 40000", "key figures", "http://127.0.0.1:8000/docs"]
)
def test_other_text_is_left_alone(text: str) -> None:
    assert mask_text(text) == text


def test_an_event_is_a_line_of_json(written: Written) -> None:
    structlog.get_logger("backend.part").info("began", count=5, where=Path("/x"))
    (line,) = written.lines()
    assert line["event"] == "began"
    assert (line["level"], line["logger"], line["count"]) == ("info", "backend.part", 5)
    assert line["timestamp"].endswith("Z")
    assert "began" in written.console.getvalue()


def test_named_secrets_are_masked_however_deep(written: Written) -> None:
    structlog.get_logger("backend.part").warning(
        "odd", password="one two", request={"headers": [{"Authorization": "three"}]}
    )
    (line,) = written.lines()
    assert line["password"] == "********"
    assert line["request"] == {"headers": [{"Authorization": "********"}]}
    assert "one two" not in written.console.getvalue()


def test_a_bound_field_is_kept(written: Written) -> None:
    structlog.get_logger("backend.part").bind(number=7).error("failed")
    (line,) = written.lines()
    assert (line["number"], line["level"]) == (7, "error")


def test_a_traceback_is_text_and_masked(written: Written) -> None:
    try:
        raise LookupError("token=abc")
    except LookupError:
        structlog.get_logger("backend.part").exception("failed")
        logging.getLogger("OctoBot").exception("failed too")
    ours, octobots = written.lines()
    for line in (ours, octobots):
        assert "LookupError: token=********" in line["exception"]
        assert line["exception"].startswith("Traceback")
    assert "LookupError" in written.console.getvalue()


def test_octobot_is_in_the_file_and_not_on_the_console(written: Written) -> None:
    logging.getLogger("ExchangeManager[sandbox]").error("refused: apiKey=abc")
    logging.getLogger("OctoBot").debug("noise")
    logging.getLogger("backend.bridge").warning("ours")
    first, second = written.lines()
    assert first["event"] == "refused: apiKey=********"
    assert second["event"] == "ours"
    assert "refused" not in written.console.getvalue()
    assert "ours" in written.console.getvalue()


def test_requests_reach_the_console_when_they_are_defects(written: Written) -> None:
    access = structlog.get_logger("access")
    for status in (200, 404, 503, 500):
        access.info("request", path=f"/{status}", status=status)
    assert [line["status"] for line in written.lines()] == [200, 404, 503, 500]
    shown = written.console.getvalue()
    assert "/500" in shown
    assert "/503" not in shown


def test_full_files_are_put_aside_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_FILE_BYTES", 100)
    file = logs.LogFile(tmp_path / "backend.log")
    for number in range(logs.MAX_ROTATED_FILES + 3):
        file.write(f"{number} ".encode() * 200)
        file.flush()
    file.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir() if path.stat().st_size}
    newest = logs.MAX_ROTATED_FILES + 2
    assert {name: int(text.split()[0]) for name, text in found.items()} == {
        f"backend.{number}.log": newest + 1 - number
        for number in range(1, logs.MAX_ROTATED_FILES + 1)
    }


def test_each_day_has_a_file_of_its_own(tmp_path: Path) -> None:
    path, day_s = tmp_path / "backend.log", 86_400
    path.write_text("before")
    os.utime(path, (time.time() - day_s,) * 2)
    file = logs.LogFile(path)
    file.write(b"today")
    file.flush()
    with time_machine.travel(time.time() + day_s, tick=False):
        file.flush()
        file.write(b"tomorrow")
        file.close()
    assert {found.name: found.read_text().split() for found in tmp_path.iterdir()} == {
        "backend.log": ["tomorrow"],
        "backend.1.log": ["today"],
        "backend.2.log": ["before"],
    }


def test_concealed_texts_are_masked_wherever_they_stand(written: Written) -> None:
    register_secrets("planted-key", "planted-key-and-more", None, "", "abc")
    logging.getLogger("ccxt").error('{"msg": "no such planted-key-and-more"} abc')
    structlog.get_logger("backend.part").info("planted-key", where=["planted-key here"])
    first, second = written.lines()
    assert first["event"] == '{"msg": "no such ********"} abc'
    assert (second["event"], second["where"]) == ("********", ["******** here"])
    assert "planted" not in written.console.getvalue()


def test_a_request_is_logged_with_its_headers_and_without_their_secrets(written: Written) -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/x",
        "backend.request_id": "r1",
        "HTTP_AUTHORIZATION": "Bearer planted",
        "HTTP_X_API_KEY": "planted",
        "HTTP_COOKIE": "planted",
        "HTTP_USER_AGENT": "curl/8 token=planted " + "x" * 500,
        "HTTP_ACCEPT": "planted",
    }
    log_access(access_log(), environ, 200, 0.001)
    (line,) = written.lines()
    agent = line["headers"].pop("User-Agent")
    assert agent.startswith("curl/8 token=******** xxx")
    assert len(agent) <= 210
    assert line["headers"] == dict.fromkeys(("Authorization", "X-API-Key", "Cookie"), "********")
    assert "planted" not in str(line)
