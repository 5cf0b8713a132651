"""An application with a real bot, and a logged-in client of each role."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Response

from backend.app import close_app, create_app
from backend.concurrency.host import ThreadHost
from backend.errors import Conflict
from backend.settings.model import Settings
from backend.streams import Hub
from tests.bridge.live_bridge import LiveBridge, make_settings

PASSWORD = "correct horse battery staple"
BASE = "/api/v1"


def app_settings(home: Path, **overrides: object) -> Settings:
    """Return settings without rate limits and with frequent snapshots."""
    return make_settings(
        home,
        **{
            "secret_key": "a secret that is only used in tests",
            "admin_password": PASSWORD,
            "rate_limit_enabled": False,
            "bot_lag": 0,  # a machine busy with other tests holds this one's bot up
            "snapshot_interval": 0.05,
            **overrides,
        },
    )


class AppWithBot:
    """A bridge, its application on the same database, and a client of each role."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.live = LiveBridge(settings)
        host = ThreadHost()
        self._hub = Hub(1000, host)
        self.app = create_app(settings, self.live.bridge, self._hub, host, self.live.database)
        identity = self.app.extensions["backend"].identity
        for role in ("viewer", "trader"):
            with suppress(Conflict):  # known from an earlier start
                identity.users.create(role, PASSWORD, role)
        self.admin, self.trader, self.viewer = (
            RoleClient(self.app, name) for name in ("admin", "trader", "viewer")
        )

    def boot(self) -> AppWithBot:
        self.live.boot()
        return self

    def shut(self) -> None:
        self.live.bridge.close()
        close_app(self.app)
        self._hub.close()
        self.live.database.close()


class RoleClient:
    """A client logged in as one user; responses must have the expected status."""

    def __init__(self, app: Any, username: str) -> None:
        self._app, self._username = app, username
        self._client = app.test_client()
        answer = self._client.post(
            f"{BASE}/auth/login", json={"username": username, "password": PASSWORD}
        )
        self._headers = {"Authorization": f"Bearer {answer.json['data']['access_token']}"}

    def request(self, method: str, path: str, expect: int = 200, **options: Any) -> Response:
        answer = self._client.open(BASE + path, method=method, headers=self._headers, **options)
        assert answer.status_code == expect, answer.get_data(as_text=True)
        return answer

    def new_client(self) -> RoleClient:
        """Return another client of the same user, for concurrent requests."""
        return RoleClient(self._app, self._username)

    def request_any(self, method: str, path: str) -> Response:
        """Send a request and return the response whatever its status."""
        return self._client.open(BASE + path, method=method, headers=self._headers)

    def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        """Return the response's data, or the problem where an error is expected."""
        return self._content(self.request("GET", path, expect, query_string=query))

    def post(self, path: str, body: Any = None, expect: int = 200) -> Any:
        return self._content(self.request("POST", path, expect, json=body))

    def patch(self, path: str, body: Any, expect: int = 200) -> Any:
        return self._content(self.request("PATCH", path, expect, json=body))

    def _content(self, answer: Response) -> Any:
        return answer.json["data"] if answer.json["success"] else answer.json
