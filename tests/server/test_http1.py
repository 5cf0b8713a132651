"""What the server takes for a request, and what it refuses before the application sees it."""

from __future__ import annotations

import io
import string

import pytest

from backend.errors import ApiError
from backend.server.http1 import Head, read_head
from backend.server.refusal_limit import REFUSALS_PER_MINUTE
from tests.http_server import HttpServer, get, post

OK = get("/hello")


def test_a_request_is_answered(server: HttpServer) -> None:
    answer = server.ask(OK)
    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /hello HTTP/1.10\r\nHost: x\r\n\r\n",
        b"GET /hello\r\n\r\n",
        b"GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hel lo HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /h\xc3\xa4llo HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hello\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G@T /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hello HTTP/1.1\nHost: x\n\n",
        b"GET /hello HTTP/1.1\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Space : 1\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Folded: a\r\n b\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Nul: a\x00b\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Cr: a\rb\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Bare: a\nX-Other: b\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    ],
)
def test_a_broken_head_is_refused(server: HttpServer, request_bytes: bytes) -> None:
    answer = server.ask(request_bytes)
    assert answer.status == 400
    assert answer.json["type"] == "malformed_request"
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("framing", "status", "kind"),
    [
        ("Content-Length: 5\r\nContent-Length: 6", 400, "malformed_request"),
        ("Content-Length: 5\r\nContent-Length: 5", 400, "malformed_request"),
        ("Content-Length: 5 5", 400, "malformed_request"),
        ("Content-Length: 9999999999999999999", 400, "malformed_request"),
        ("Content-Length: 18446744073709551621", 400, "malformed_request"),
        ("Content-Length : 5", 400, "malformed_request"),
        ("Content-Length: 5, 5", 400, "malformed_request"),
        ("Content-Length: +5", 400, "malformed_request"),
        ("Content-Length: 0x5", 400, "malformed_request"),
        ("Content-Length: 5_0", 400, "malformed_request"),
        ("Content-Length: -5", 400, "malformed_request"),
        ("Content-Length:", 400, "malformed_request"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400, "malformed_request"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400, "malformed_request"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400, "malformed_request"),
        ("Transfer-Encoding:", 400, "malformed_request"),
        ("Transfer-Encoding: gzip\r\nContent-Length: 5", 400, "malformed_request"),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", 400, "malformed_request"),
        ("Transfer-Encoding: chunked\r\n\tgzip", 400, "malformed_request"),
        ("Transfer-Encoding:\r\n chunked", 400, "malformed_request"),
        ("Transfer-Encoding : chunked", 400, "malformed_request"),
        ("Transfer-Encoding: gzip, chunked", 501, "not_implemented"),
        ("Transfer-Encoding: gzip", 501, "not_implemented"),
        ("Transfer-Encoding: chunked, identity", 501, "not_implemented"),
        ("Transfer-Encoding: chunked,", 501, "not_implemented"),
        ("Transfer-Encoding: chunked;q=1", 501, "not_implemented"),
        ("Transfer-Encoding: xchunked", 501, "not_implemented"),
        ("Transfer-Encoding:\x0bchunked", 400, "malformed_request"),
        ('Transfer-Encoding: "chunked"', 501, "not_implemented"),
    ],
)
def test_a_body_whose_end_is_in_doubt_is_refused_and_ends_the_connection(
    server: HttpServer, framing: str, status: int, kind: str
) -> None:
    connection = server.connect()
    smuggled = b"0\r\n\r\n" + get("/environ")
    answer = connection.ask(
        f"POST /echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode() + smuggled
    )
    assert answer.status == status
    assert answer.json["type"] == kind
    assert connection.is_ended()


@pytest.mark.parametrize("line", [b"no colon\r\n", b"X: a\n", b" folded\r\n"])
def test_a_head_is_refused_before_its_end(server: HttpServer, line: bytes) -> None:
    assert server.ask(b"GET /hello HTTP/1.1\r\nHost: x\r\n" + line).status == 400


def _read(head: bytes) -> tuple[Head, bytes] | None:
    """Return what was read and what was left; None for a head that is refused."""
    request_line, _, rest = head.partition(b"\r\n")
    lines = io.BytesIO(rest)
    try:
        return read_head(request_line + b"\r\n", lines), lines.read()
    except ApiError:
        return None


@pytest.mark.parametrize(
    ("around", "taken"),
    [
        (b"X%bA: a", {":", *string.ascii_letters, *string.digits, *"!#$%&'*+-.^_`|~"}),
        (b"X: a%bb", {"\t", *map(chr, range(32, 127)), *map(chr, range(128, 256))}),
        (b"Content-Length: 5%b", {"\t", " ", *string.digits}),
        (b"Content-Length:%b5", {"\t", " ", *string.digits}),
        (b"Transfer-Encoding: chunked%b", {"\t", " "}),
        (b"Transfer-Encoding:%bchunked", {"\t", " "}),
        (b"Host: x\r%b", {"\n"}),
    ],
)
def test_every_byte_is_taken_or_refused_by_its_place(around: bytes, taken: set[str]) -> None:
    host = b"" if around.startswith(b"Host") else b"Host: x\r\n"
    heads = {chr(c): b"GET / HTTP/1.1\r\n" + host + around % bytes([c]) for c in range(256)}
    assert {char for char, head in heads.items() if _read(head + b"\r\n\r\n")} == taken


@pytest.mark.parametrize(
    "headers",
    [
        b"Host: x\r\nContent-Length: 5 \r\nConnection: close",
        b"Host: x\r\nTransfer-Encoding: CHUNKED\t",
        b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket",
    ],
)
def test_a_head_ends_where_it_does_and_no_part_of_it_passes_for_a_whole(headers: bytes) -> None:
    whole = b"POST / HTTP/1.1\r\n" + headers + b"\r\n\r\n"
    follows = b"0\r\n\r\nGET / HTTP/1.1\r\n"
    found = _read(whole + follows)
    assert found is not None
    assert found[1] == follows
    assert [end for end in range(18, len(whole)) if _read(whole[:end])] == []


@pytest.mark.parametrize("method", ["BREW", "M-SEARCH", "PRI"])
def test_an_unknown_method_is_a_405(server: HttpServer, method: str) -> None:
    assert server.ask(f"{method} /hello HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status == 405


def test_a_chunked_body_in_http_1_0_is_refused(server: HttpServer) -> None:
    request = b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert server.ask(request).status == 400


def test_http_1_0_is_answered_once(server: HttpServer) -> None:
    connection = server.connect()
    answer = connection.ask(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert connection.is_ended()


def test_a_name_with_an_underscore_does_not_pass_for_another(server: HttpServer) -> None:
    answer = server.ask(get("/environ", "X_Forwarded_For: 1.1.1.1", "X-Other: kept"))
    assert "HTTP_X_FORWARDED_FOR" not in answer.json
    assert answer.json["HTTP_X_OTHER"] == "kept"


def test_a_value_is_taken_without_the_space_around_it(server: HttpServer) -> None:
    answer = server.ask(get("/environ", "X-A: \t 1\t2 \t", "X-B:3", "X-C: "))
    assert [answer.json[f"HTTP_X_{name}"] for name in "ABC"] == ["1\t2", "3", ""]


def test_repeated_headers_are_joined(server: HttpServer) -> None:
    answer = server.ask(get("/environ", "X-A: 1", "x-a: 2", "Cookie: a=1", "Cookie: b=2"))
    assert answer.json["HTTP_X_A"] == "1,2"
    assert answer.json["HTTP_COOKIE"] == "a=1; b=2"


@pytest.mark.parametrize("target", ["http://x/hello", "HTTPS://x:8000/hello"])
def test_a_whole_address_is_taken_for_its_path(server: HttpServer, target: str) -> None:
    assert server.ask(get(target)).body == b"hello"


def test_an_asterisk_is_no_path_here(server: HttpServer) -> None:
    assert server.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").status == 404


def test_a_query_is_not_part_of_the_path(server: HttpServer) -> None:
    answer = server.ask(get("/environ?a=%2F&b=?"))
    assert answer.json["PATH_INFO"] == "/environ"
    assert answer.json["QUERY_STRING"] == "a=%2F&b=?"


def test_an_empty_line_before_a_request_is_passed_over(server: HttpServer) -> None:
    assert server.ask(b"\r\n" + OK).status == 200


def test_a_long_address_is_a_414(server: HttpServer) -> None:
    answer = server.ask(get("/" + "a" * 9000))
    assert (answer.status, answer.json["type"]) == (414, "uri_too_long")


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{number}: a" for number in range(150)],
        ["X-Long: " + "a" * 9000],
        [f"X-{number}: " + "a" * 8000 for number in range(5)],
    ],
)
def test_too_many_headers_are_a_431(server: HttpServer, headers: list[str]) -> None:
    answer = server.ask(get("/hello", *headers))
    assert (answer.status, answer.json["type"]) == (431, "request_header_fields_too_large")


def test_a_refusal_has_the_shape_and_headers_of_every_error(server: HttpServer) -> None:
    answer = server.ask(b"nonsense\r\n\r\n")
    assert answer.json.keys() == {
        *("success", "error", "code", "type", "details", "request_id", "timestamp")
    }
    assert answer.json["success"] is False
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"] == answer.json["request_id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


def test_a_flood_of_broken_requests_is_cut_off_unanswered_and_unlogged(
    server: HttpServer, events: list[dict[str, object]]
) -> None:
    for _ in range(REFUSALS_PER_MINUTE):
        server.ask(b"nonsense\r\n\r\n")
    connection = server.connect()
    connection.send(b"nonsense\r\n\r\n")
    assert connection.is_ended()
    assert len(events) == REFUSALS_PER_MINUTE
    assert server.ask(OK).status == 200


def test_no_answer_names_the_server(server: HttpServer) -> None:
    assert "Server" not in server.ask(OK).headers


def test_a_refusal_is_logged_without_its_query(
    server: HttpServer, events: list[dict[str, object]]
) -> None:
    server.ask(b"GET /path?ticket=secret HTTP/9\r\n\r\n")
    (line,) = [event for event in events if event["event"] == "request"]
    assert (line["path"], line["status"]) == ("/path", 400)
    assert "secret" not in str(events)


def test_requests_of_one_connection_are_answered_in_turn(server: HttpServer) -> None:
    connection = server.connect()
    connection.send(OK + post("/echo", b"second") + get("/nowhere"))
    assert connection.answer().body == b"hello"
    assert connection.answer().body == b"second"
    assert connection.answer().status == 404
