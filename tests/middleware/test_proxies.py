"""Whose word about a request is believed: that of the trusted proxies, as far as it makes sense."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from flask import Flask, Response, request
from werkzeug.test import TestResponse

from backend.middleware.proxies import Trusted, with_proxies

CLIENT, PROXY, INNER = "203.0.113.9", "10.0.0.1", "10.0.0.2"
NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def app_behind(trusted: Trusted) -> Flask:
    """An application that shows what it takes a request for."""
    app = Flask("behind", static_folder=None)

    @app.get("/seen")
    def show_seen() -> dict[str, str]:
        environ = request.environ
        return {
            "address": environ["REMOTE_ADDR"],
            "scheme": environ["wsgi.url_scheme"],
            "host": environ["HTTP_HOST"],
            "prefix": environ["SCRIPT_NAME"],
        }

    @app.post("/things")
    def create_thing() -> Response:
        return Response(status=201, headers={"Location": request.args["at"]})

    app.wsgi_app = with_proxies(app.wsgi_app, trusted)  # type: ignore[method-assign]
    return app


def seen(trusted: Trusted, *headers: tuple[str, str], peer: str = PROXY) -> dict[str, str]:
    """Ask with these X-Forwarded headers from a peer; return what the application saw."""
    forwarded = [(f"X-Forwarded-{name}", value) for name, value in headers]
    environ = {"REMOTE_ADDR": peer, "HTTP_HOST": "backend:8000"}
    client = app_behind(trusted).test_client()
    return dict(client.get("/seen", headers=forwarded, environ_overrides=environ).get_json())


ALL = (("For", CLIENT), ("Proto", "https"), ("Host", "bot.example.org"), ("Prefix", "/bot"))
TAKEN = {"address": CLIENT, "scheme": "https", "host": "bot.example.org", "prefix": "/bot"}
LEFT = {"address": PROXY, "scheme": "http", "host": "backend:8000", "prefix": ""}


@pytest.mark.parametrize("trusted", [1, NETWORKS])
def test_a_trusted_proxy_is_believed(trusted: Trusted) -> None:
    assert seen(trusted, *ALL) == TAKEN


@pytest.mark.parametrize("trusted", [1, NETWORKS])
@pytest.mark.parametrize(
    ("sent", "address"),
    [
        (f"{CLIENT}:51234", CLIENT),
        ("[2001:db8::9]:51234", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("2001:db8::9", "2001:db8::9"),
    ],
)
def test_a_port_after_the_address_is_left_out(trusted: Trusted, sent: str, address: str) -> None:
    assert seen(trusted, ("For", sent))["address"] == address


def test_proxies_with_ports_are_counted_too() -> None:
    sent = f"{CLIENT}:51234, {INNER}:443"
    assert seen(NETWORKS, ("For", sent))["address"] == CLIENT


@pytest.mark.parametrize("trusted", [0, (), (ip_network("192.0.2.0/24"),)])
def test_anybody_else_is_not(trusted: Trusted) -> None:
    assert seen(trusted, *ALL) == LEFT


def test_with_addresses_given_a_client_that_passes_the_proxy_by_is_not_believed() -> None:
    spoofed = seen(NETWORKS, ("For", "127.0.0.1"), ("Proto", "https"), peer=CLIENT)
    assert spoofed == {**LEFT, "address": CLIENT}


@pytest.mark.parametrize(
    ("trusted", "chain", "address"),
    [
        (1, f"1.1.1.1, {CLIENT}", CLIENT),
        (2, f"1.1.1.1, {CLIENT}, {INNER}", CLIENT),
        (2, CLIENT, PROXY),
        (NETWORKS, f"1.1.1.1, {CLIENT}", CLIENT),
        (NETWORKS, f"1.1.1.1, {CLIENT}, {INNER}", CLIENT),
        (NETWORKS, f"10.6.6.6, {CLIENT}", CLIENT),
        (NETWORKS, f"{CLIENT}, fd00::7", CLIENT),
        (NETWORKS, "2001:db8::1", "2001:db8::1"),
        (NETWORKS, f"::ffff:{CLIENT}", CLIENT),
        (NETWORKS, INNER, PROXY),
    ],
)
def test_the_address_is_the_last_that_a_trusted_proxy_saw(
    trusted: Trusted, chain: str, address: str
) -> None:
    assert seen(trusted, ("For", chain))["address"] == address


@pytest.mark.parametrize("trusted", [1, NETWORKS])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("For", "unknown"),
        ("For", "1.1.1.1:"),
        ("For", "1.1.1.1:x"),
        ("For", "[1.1.1.1]x"),
        ("For", "2001:db8::1:80:zz"),
        ("For", "<script>"),
        ("For", ""),
        ("Proto", "javascript"),
        ("Host", "evil.example.org/path"),
        ("Host", 'x"onload='),
        ("Host", "a" * 300),
        ("Prefix", "//evil.example.org"),
        ("Prefix", "https://evil.example.org"),
        ("Prefix", "/a/../b"),
        ("Prefix", '/"><script>'),
        ("Prefix", "bot"),
        ("Prefix", "/"),
    ],
)
def test_what_makes_no_sense_is_not_believed(trusted: Trusted, name: str, value: str) -> None:
    assert seen(trusted, (name, value)) == LEFT


def test_each_proxy_may_say_it_anew() -> None:
    appended = seen(2, ("For", f"{CLIENT}, {INNER}"), ("Proto", "ftp, https, http"))
    assert (appended["address"], appended["scheme"]) == (CLIENT, "https")
    overwritten = seen(2, ("For", f"{CLIENT}, {INNER}"), ("Proto", "https"))
    assert overwritten["scheme"] == "https"


def created(trusted: Trusted, at: str) -> TestResponse:
    client = app_behind(trusted).test_client()
    return client.post(f"/things?at={at}", headers={"X-Forwarded-Prefix": "/bot/"})


def test_a_location_is_below_the_prefix() -> None:
    assert created(1, "/things/1").headers["Location"] == "/bot/things/1"
    assert created(0, "/things/1").headers["Location"] == "/things/1"
    elsewhere = "https://example.org/"
    assert created(1, elsewhere).headers["Location"] == elsewhere
