"""Real proxies with the configuration of docs/running.md, in front of a server of ours."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import trustme

from benchmarks.live import free_port
from tests.clients.doc_snippets import ROOT

_CONFIGURATION = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{server}
}}
"""


def samples(language: str) -> list[str]:
    """Return the blocks of a language in docs/running.md."""
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _sites(backend_port: int, port: int, certificate: Path) -> str:
    """Put both samples together, as the page says, and fill in what is ours."""
    whole, below = samples("nginx")
    lines = re.search(r"location / \{\n(.*?)\n    \}", whole, re.DOTALL)
    assert lines is not None
    common = [line for line in lines[1].splitlines() if "proxy_pass" not in line]
    rest = "\n".join(line for line in common if "Prefix" not in line)
    below = re.sub(r"^.*# and all other lines.*$", rest, below, flags=re.MULTILINE)
    server = whole.rstrip().removesuffix("}") + below + "}"
    return (
        server.replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace("127.0.0.1:8000", f"127.0.0.1:{backend_port}")
        .replace("/etc/ssl/bot.example.org.pem", str(certificate))
        .replace("/etc/ssl/bot.example.org.key", str(certificate))
    )


@contextlib.contextmanager
def nginx(program: str, folder: Path, backend_port: int, authority: trustme.CA) -> Iterator[str]:
    """Start it on a free port and return its address."""
    certificate, port = folder / "both.pem", free_port()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    configuration = folder / "nginx.conf"
    # as root it would give its workers to a user who may not enter pytest's folders
    user = "user root;" if folder.owner() == "root" else ""
    server = _sites(backend_port, port, certificate)
    configuration.write_text(_CONFIGURATION.format(folder=folder, server=server, user=user))
    with _running([program, "-c", configuration, "-p", folder], port):
        yield f"https://127.0.0.1:{port}"


@contextlib.contextmanager
def caddy(program: str, folder: Path, backend_port: int) -> Iterator[str]:
    """Start it on a free port, without TLS: here it could not get a certificate."""
    whole, below = samples("caddy")
    port = free_port()
    site = whole.rstrip().removesuffix("}") + below + "}\n"
    site = site.replace("bot.example.org", f"http://127.0.0.1:{port}")
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{backend_port}")
    configuration = folder / "Caddyfile"
    configuration.write_text("{\n    admin off\n}\n" + site)
    command = [program, "run", "--adapter", "caddyfile", "--config", configuration]
    with _running(command, port, XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder)):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _running(command: list[str | Path], port: int, **variables: str) -> Iterator[None]:
    process = subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.DEVNULL)
    try:
        _wait_for_port(port, process)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        assert process.poll() is None, "the proxy has ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)
