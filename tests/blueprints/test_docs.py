from __future__ import annotations

import re
from urllib.parse import urljoin

from tests.api_client import ApiClient, NewClient


def test_in_development_the_contract_and_its_page_are_for_everybody(client: ApiClient) -> None:
    document = client.send("GET", "/openapi.json").get_json()
    page = client.send("GET", "/docs")
    assert document["openapi"].startswith("3.1")
    assert page.mimetype == "text/html"
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.get_data(as_text=True))
    assert len(sources) == 5
    for source in [source for source in sources if not source.startswith("data:")]:
        assert client.send("GET", urljoin("/docs", source)).status_code == 200
    assert client.send("GET", "/docs/other.js").status_code == 404


def test_in_production_the_contract_is_for_users_and_there_is_no_page(
    start_client: NewClient,
) -> None:
    client = start_client(env="production")
    assert client.send("GET", "/openapi.json").status_code == 401
    assert client.as_viewer().send("GET", "/openapi.json").get_json()["openapi"]
    assert client.as_viewer().send("GET", "/docs").status_code == 404
