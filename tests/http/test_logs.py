"""Logs: one JSON object a line, secrets masked whoever logs them, OctoBot kept off the console."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from backend import logs
from backend.logs import Logs
from backend.masking import masked


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
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text", ["the token expired", "BTC/USDT at 40000", "key figures", "http://127.0.0.1:8000/docs"]
)
def test_other_text_is_left_alone(text: str) -> None:
    assert masked(text) == text


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
    for number in range(8):
        file.write(f"{number}".encode() * 200)
        file.flush()
    file.close()
    found = {path.name: path.read_text()[0] for path in tmp_path.iterdir() if path.stat().st_size}
    assert found == {f"backend.{number}.log": str(8 - number) for number in range(1, 6)}
