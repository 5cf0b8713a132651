"""wsgi.py under other servers: started when asked for, and refused where it cannot work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_main import ROOT, environment

pytestmark = [pytest.mark.long, pytest.mark.every_line]

ASK = """
import time, wsgi
client = wsgi.application.test_client()
while client.get("/readyz").status_code != 200:
    time.sleep(0.1)
print(client.get("/api/bot").status_code, wsgi.application is wsgi.application)
"""


def run(code: str, home: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run code as another server would import it."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_the_application_starts_serves_and_ends_with_its_process(tmp_path: Path) -> None:
    finished = run(ASK, tmp_path)
    assert finished.stdout == "401 True\n"
    assert finished.returncode == 0
    assert "Stopped, now shutting down." in (tmp_path / "logs" / "backend.log").read_text()


def test_importing_it_starts_nothing(tmp_path: Path) -> None:
    finished = run("import wsgi, os; print(os.listdir(os.environ['BACKEND_HOME']))", tmp_path)
    assert finished.stdout == "[]\n"


def test_a_server_that_patches_sockets_is_refused_with_one_line(tmp_path: Path) -> None:
    code = "from gevent import monkey; monkey.patch_all(); import wsgi; wsgi.application"
    finished = run(code, tmp_path)
    (line,) = finished.stderr.splitlines()
    assert "gthread" in line
    assert finished.returncode == 3


def test_a_certificate_that_this_server_would_not_use_is_refused(tmp_path: Path) -> None:
    finished = run("import wsgi; wsgi.application", tmp_path, tls_cert="a.pem", tls_key="b.pem")
    (line,) = finished.stderr.splitlines()
    assert "BACKEND_TLS_CERT" in line
    assert finished.returncode == 3


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    finished = run("import wsgi; wsgi.application", tmp_path, trading="imaginary")
    (line,) = finished.stderr.splitlines()
    assert "BACKEND_TRADING" in line
    assert finished.returncode == 3
