"""Generator of hostile requests: operations of swagger.yaml with values no client means."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

from tests.security.contract_routes import DOCUMENT, model

TEXTS = [
    *("", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\u202eabc", "\ufeff", "a\r\nX-Evil: 1"),
    *("١٢٣", "１２", "²", "Ⅷ", "İ", "ß" * 70, "é" * 300, "𝟙", "💥" * 200, "a" * 70_000, "🅱"),
    *("../../etc/passwd", "..%2f", "%00", "%", "%s%n", "{}", "{0.__class__}", "${jndi:ldap://x}"),
    *(
        "' OR 1=1 --",
        "<script>",
        "=1+1",
        "NaN",
        "Infinity",
        "-0",
        "null",
        "true",
        "\\",
        '"',
        "\x7f",
    ),
    *("1e999999", "1E-999999", "9" * 5000, "0x10", "1_000", "+1", "1.", ".5", "0" * 400 + "1"),
    *("BTC/USDT", "BTC-USDT", "BTC/USDT:USDT", "比特/人民", "МОСКВА/USDT", "ℬTC/USDT", "btc/usdt"),
    *("BTC//USDT", "/", "-", "BTC-USDT-", "BTC/USDT:USDT-991231-1e400-C", "๑/๒", "e\u0301/USDT"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-23:59", "0000-00-00T00:00:00Z"),
    *("2026-02-30", "2026-01-20T10:00:00+99:99", "١٩٩٩-٠١-٠١T00:00:00Z", "2026-01-20T10:00:60Z"),
    *("day", "admin", "viewer", "a@b", "a@" + "b." * 130, "org.x.app:/in", "javascript:alert(1)"),
]
NUMBERS = [
    *(0, -0.0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1e308, 5e-324, 0.1),
    *(float("nan"), float("inf"), float("-inf"), True, 1.5, 253402300800, -62135596801),
]
MEDIA_TYPES = [
    *("text/plain", "application/json; charset=utf-16", "application/json; charset=\xff", "", ";"),
    *(
        "application/json;" + "a=b;" * 2000,
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    ),
    *("multipart/form-data; boundary=" + "x" * 300, "APPLICATION/JSON", "application/problem+json"),
]
HEADERS = [
    *("Idempotency-Key", "X-Request-ID", "Last-Event-ID", "X-Forwarded-For", "X-Forwarded-Host"),
    *("X-Forwarded-Proto", "Forwarded", "Host", "Origin", "Accept", "Accept-Language", "Range"),
    *("If-None-Match", "If-Modified-Since", "Cookie", "X-API-Key", "X-HTTP-Method-Override"),
    *("Accept-Encoding", "Expect", "Referer", "User-Agent", "Access-Control-Request-Method"),
    *("Content-Encoding", "Sec-WebSocket-Key", "Upgrade", "Connection", "Traceparent"),
]
AUTHORIZATIONS = ["", "Bearer", "Bearer \x00", "Basic Og==", "Bearer a.b.c", "Bearer " + "a" * 9000]
_PATH_PART = re.compile(r"\{(\w+)\}")


class HostileRequest(NamedTuple):
    """A request as bytes of the wire: target not decoded, headers not checked."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        headers = {name: value[:200] for name, value in self.headers.items()}
        line = f"{self.method} {self.path[:300]}?{self.query[:300]}"
        return f"{line} {headers} {len(self.body)} bytes: {self.body[:1000]!r}"


class HostileRequests:
    """Endless requests from one seed; ids of earlier answers come again in later ones."""

    def __init__(self, seed: int, left_out: re.Pattern[str]) -> None:
        self._random = random.Random(seed)
        self._ids: list[str] = ["1", "x", "sandbox"]
        self._mildness = 8
        self._operations = [
            (method.upper(), path, operation)
            for path, methods in DOCUMENT["paths"].items()
            for method, operation in methods.items()
            if not left_out.match(path)
        ]

    def remember(self, value: str) -> None:
        """Keep an id or cursor of an answer for later requests."""
        if len(self._ids) < 200:
            self._ids.append(value)
        else:
            self._ids[self._random.randrange(3, 200)] = value

    def __iter__(self) -> Iterator[HostileRequest]:
        while True:
            order = self._random.sample(self._operations, len(self._operations))
            yield from (self._request(*operation) for operation in order)

    def _request(self, method: str, template: str, operation: dict[str, Any]) -> HostileRequest:
        self._mildness = self._random.choice([8, 40, 200])
        parameters = operation.get("parameters", [])
        in_path = {item["name"]: item["schema"] for item in parameters if item["in"] == "path"}
        path = _PATH_PART.sub(lambda part: self._path_part(in_path[part[1]]), template)
        query = [item for item in parameters if item["in"] == "query" and self._one_in(2)]
        pairs = [self._pair(item["name"], item["schema"]) for item in query]
        if self._one_in(6):
            pairs.append(self._pair(self._random.choice(TEXTS), {}))
        if pairs and self._one_in(8):
            pairs.append(self._random.choice(pairs))  # doubled
        headers = {
            name: self._header_text()
            for name in self._random.sample(HEADERS, self._random.choice([0, 0, 0, 1, 2]))
        }
        if self._one_in(25):
            headers["Authorization"] = self._random.choice(AUTHORIZATIONS)
        body = b""
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            body = self._body(schema)
            headers["Content-Type"] = "application/json"
        elif self._one_in(20):
            body = self._body({})
        if self._one_in(25):
            headers["Content-Type"] = self._random.choice(MEDIA_TYPES)
        return HostileRequest(method, path, "&".join(pairs), headers, body)

    def _one_in(self, count: int) -> bool:
        return self._random.randrange(count) == 0

    def _path_part(self, schema: dict[str, Any]) -> str:
        if self._one_in(15):
            return self._random.choice(["%00", "%ff%fe", "%c0%af", "%ed%a0%80", "%2e%2e", "%0d%0a"])
        text = self._known(schema) if self._one_in(2) else self._random.choice(TEXTS)
        return quote_from_bytes(str(text).encode(errors="surrogatepass"), safe="/:-")

    def _pair(self, name: str, schema: dict[str, Any]) -> str:
        if name == "cursor" and self._one_in(2):
            value = self._cursor()
        else:
            value = (
                self._scalar() if self._one_in(max(2, self._mildness // 8)) else self._known(schema)
            )
        texts = [str(name), json.dumps(value) if isinstance(value, bool) else str(value)]
        key, text = (quote_from_bytes(item.encode(errors="surrogatepass")) for item in texts)
        return f"{key}={text[:20_000]}" if not self._one_in(20) else f"{key}=%FF%"

    def _cursor(self) -> str:
        kinds = ["sessions", "api_keys", "orders", "trades", "audit", "events", "users", "history"]
        parts = [self._random.choice(kinds), f"{self._random.choice(TEXTS)} {self._scalar()}"]
        content: Any = self._random.choice([parts, parts[::-1], {}, None, [parts], parts * 2])
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    def _header_text(self) -> str:
        text = self._random.choice([*TEXTS, *self._ids])
        return text.encode(errors="surrogatepass").decode("latin-1")[:9000]

    def _body(self, schema: dict[str, Any]) -> bytes:
        kind = self._random.randrange(40)
        if kind == 0:
            depth = self._random.choice([10, 200, 5000, 100_000])
            return b'{"a":' * depth + b"1" + b"}" * depth if self._one_in(2) else b"[" * depth
        if kind == 1:
            return self._random.randbytes(self._random.choice([0, 1, 40]))
        value = self._value(schema) if kind > 3 else self._scalar()
        text = json.dumps(value, ensure_ascii=self._one_in(2))
        if kind == 4 and text.startswith("{") and len(text) > 2:
            text = f"{text[:-1]}, {text[1:]}"  # every key doubled
        if kind == 5:
            return text.encode(self._random.choice(["utf-16", "utf-32", "utf-7"]), "surrogatepass")
        if kind == 6:
            return text.encode(errors="surrogatepass")[: self._random.randrange(len(text) + 1)]
        if kind == 7:
            return b"\xef\xbb\xbf" + text.encode(errors="surrogatepass")
        return text.encode(errors="surrogatepass")

    def _scalar(self) -> Any:
        return self._random.choice([self._random.choice(TEXTS), self._random.choice(NUMBERS)])

    def _value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """Return a value of a schema that is hostile in few places, so that it gets far in."""
        schema = model(schema)
        choices = [item for key in ("anyOf", "oneOf", "allOf") for item in schema.get(key, [])]
        if self._one_in(self._mildness):
            return self._random.choice([self._scalar(), None, [], {}, [self._scalar()], {"": 1}])
        if choices:
            return self._value(self._random.choice(choices), depth + 1)
        if depth < 6 and "properties" in schema:
            needed = schema.get("required", [])
            value = {
                name: self._value(part, depth + 1)
                for name, part in schema["properties"].items()
                if name in needed or self._one_in(4)
            }
            return value | ({str(self._scalar())[:99]: 1} if self._one_in(15) else {})
        if schema.get("type") == "array":
            count = self._random.choice([0, 1, 2, 3, 60])
            return [self._value(schema.get("items", {}), depth + 1) for _ in range(count)]
        return self._known(schema)

    def _known(self, schema: dict[str, Any]) -> Any:
        """Return a plausible value of a schema, or an id seen before."""
        schema = model(schema)
        for item in schema.get("anyOf", []):
            schema = model(item) if "enum" in model(item) or "examples" in item else schema
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        if schema.get("examples") and not self._one_in(3):
            return self._random.choice(schema["examples"])
        kind = schema.get("type")
        if kind == "integer":
            return self._random.choice([0, 1, 10, 100, 2**31, schema.get("minimum", 1)])
        if kind == "boolean":
            return self._one_in(2)
        if kind == "null":
            return None
        return self._random.choice([*self._ids, "0.01", "1", "BTC/USDT", "buy", "limit", "market"])
