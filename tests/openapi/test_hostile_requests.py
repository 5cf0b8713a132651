"""Hostile requests to every route, as an admin, on SQLite and PostgreSQL: never a defect."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from werkzeug.test import run_wsgi_app

from tests.api_client import ApiClient, running_backend
from tests.databases import Cluster
from tests.openapi.hostile_requests import HostileRequest, HostileRequests

pytestmark = pytest.mark.long

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "600"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
"""FUZZ_REQUESTS=100000 FUZZ_SEED=7 looks longer, and elsewhere."""
LEFT_OUT = re.compile(r"/api/v1/(bot/(start|stop|restart)|auth/logout|signout)$")
"""They end the bot or the token with which all else is asked."""
ALLOWED = {
    "exchange_refused": "the sandbox refused what it was asked",
    "price_stale": "a busy machine delays the sandbox's prices",
    "bot_busy": "a busy machine lets requests wait for the bot",
    "bot_strained": "the same",
    "bot_timeout": "the same",
    "provider_unavailable": "the OpenID provider of these settings does not run",
    "mail_unavailable": "the mail server of these settings does not run",
    "trading_paused": "an earlier request paused the trading",
}
"""Errors of 502, 503 and 504 that hostile requests may meet, and why."""
ID_FIELDS = {"id", "order_id", "trade_id", "session_id", "key_id", "next_cursor", "client_order_id"}


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    home: Path = tmp_path_factory.mktemp("home")
    changes: dict[str, object] = {}
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        changes["database_url"] = cluster.create_migrated()
    else:
        shutil.copy(request.getfixturevalue("migrated_file"), home)
    nowhere = "127.0.0.1:9"
    with running_backend(
        home,
        passkey_rp_id="localhost",
        passkey_origins=("http://localhost",),
        oidc_issuer=f"http://{nowhere}",
        oidc_client_id="octobot",
        oidc_return_urls=("https://app.example.org/in",),
        oidc_registration=True,
        smtp_url=f"smtp://{nowhere}",
        mail_from="bot@example.org",
        registration=True,
        encryption_key=Fernet.generate_key().decode(),
        **changes,
    ) as app:
        yield app
    assert list(tracebacks(home / "logs")) == []


def tracebacks(folder: Path) -> Iterator[dict[str, Any]]:
    """Walk through the tracebacks that our own modules logged."""
    files = sorted(folder.glob("backend.log*"))
    assert files
    for file in files:
        with file.open("rb") as lines:
            for line in lines:
                if b'"exception":' in line and b'"logger":"backend' in line:
                    yield json.loads(line)


def environ(request: HostileRequest, authorization: str) -> dict[str, Any]:
    """Return a request as the server hands it to the app."""
    headers = {"Host": "localhost", "Authorization": authorization} | request.headers
    prefixed = {
        f"HTTP_{name.upper().replace('-', '_')}": value
        for name, value in headers.items()
        if name != "Content-Type"
    }
    return prefixed | {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "RAW_URI": f"{request.path}?{request.query}",
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def ask(app: Flask, request: HostileRequest, authorization: str) -> tuple[int, Any]:
    """Return the status and the JSON of an answer; that of a stream is left unread."""
    body, status, headers = run_wsgi_app(app, environ(request, authorization))
    try:
        assert all("\n" not in text and "\r" not in text for pair in headers for text in pair)
        is_json = headers.get("Content-Type", "").startswith("application/json")
        return int(status[:3]), json.loads(b"".join(body)) if is_json else None
    finally:
        body.close() if hasattr(body, "close") else None


def assert_error_shape(status: int, content: Any) -> None:
    """Assert the contract's shape of an error, and that one of 5xx is among the allowed ones."""
    assert content["success"] is False
    assert content["code"] == status
    assert {type(content[name]) for name in ("error", "type", "request_id")} == {str}
    assert "Traceback" not in content.get("details", "")
    if status >= 500:
        assert status in (502, 503, 504)
        assert content["type"] in ALLOWED


def new_ids(content: Any) -> Iterator[str]:
    """Walk through an answer to the ids in it."""
    if isinstance(content, list):
        for item in content[:5]:
            yield from new_ids(item)
    elif isinstance(content, dict):
        for name, item in content.items():
            if name in ID_FIELDS and isinstance(item, str):
                yield item
            else:
                yield from new_ids(item)


def test_no_hostile_request_meets_a_defect(app: Flask) -> None:
    sys.stdout.write(f"FUZZ_REQUESTS={REQUESTS} FUZZ_SEED={SEED}\n")
    requests = HostileRequests(SEED, LEFT_OUT)
    own_id = ApiClient(app).as_admin().get("/auth/me")["id"]
    failures: list[str] = []
    statuses: dict[str, int] = {}
    authorization = ""
    for number, request in enumerate(itertools.islice(requests, REQUESTS)):
        if number % 200 == 0:  # a hostile request may have ended the session
            authorization = ApiClient(app).as_admin().headers["Authorization"]
        status, content = 0, None
        try:
            status, content = ask(app, request, authorization)
            if status >= 400:
                assert_error_shape(status, content)
        except Exception as error:  # a long run lists every failure
            failures.append(f"{number}: {request!r}\n  -> {status} {content} {error!r}"[:3000])
        kind = content["type"] if status >= 400 and isinstance(content, dict) else ""
        statuses[f"{status} {kind}"] = statuses.get(f"{status} {kind}", 0) + 1
        for found in new_ids(content):
            if found != own_id:
                requests.remember(found)
    sys.stdout.write(f"{dict(sorted(statuses.items()))}\n")
    assert not failures, "\n".join([f"{len(failures)} of them", *failures[:20]])
    assert any(kind.startswith("2") for kind in statuses)
