"""Baseline of the HTTP benchmarks: a bare Flask view on the backend's own server."""

from __future__ import annotations

import sys

from flask import Flask

from backend.server.server import Server, listen, serve_until_signal

app = Flask("hello", static_folder=None)


@app.get("/")
def hello() -> str:
    """Return a fixed response."""
    return "hello"


if __name__ == "__main__":
    serve_until_signal(Server(listen("127.0.0.1", int(sys.argv[1])), app))
