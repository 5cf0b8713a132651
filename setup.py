"""Package metadata; the settings of the tools are in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# Lower bounds only: OctoBot pins Flask, Werkzeug, gevent, flask-cors and pydantic.
CORE = [
    "alembic>=1.16",
    "argon2-cffi>=25.1",
    "authlib>=1.9",
    "click>=8.1",
    "cryptography>=44",
    "flask>=3.1",
    "filelock>=3.30",
    "flask-cors>=6",
    "flask-limiter>=4",
    "gevent>=25.5",
    # gevent 25 with greenlet 3.5.1 prints "greenlet is being finalized" at every exit
    "greenlet<3.5.1",
    "httptools>=0.9",
    "httpx>=0.28",
    "joserfc>=1.6.8",
    "jsonschema>=4.20",
    "limits>=4",
    "numpy>=1.26",
    "orjson>=3.10",
    "prometheus-client>=0.22",
    "pydantic>=2.11",
    "pydantic-settings>=2.10",
    # before 2.10.1 a part of the issuer was taken for the issuer (CVE-2024-53861)
    "pyjwt>=2.10.1",
    "pyotp>=2.9",
    "pyyaml>=6",
    "spectree[flask,pydantic,offline]>=3",
    "sqlalchemy>=2",
    "structlog>=25",
    "uvloop>=0.21",
    "webauthn>=3",
    "wsproto>=1.2",
]

# From 3.12 on OctoBot is one wheel that holds every octobot_* package; before, many packages.
OCTOBOT = [
    'octobot==2.1.1; python_version >= "3.12"',
    'octobot[full]==2.0.15; python_version < "3.12"',
    'octobot-trading==2.4.236; python_version < "3.12"',
]

SCALE = ["psycopg[binary]>=3.2", "redis>=5"]

DEV = [
    "aiosmtpd>=1.4.6",
    "cbor2>=6",
    "hypothesis>=6.100",
    "import-linter>=2.17",
    "mypy>=1.15",
    "openapi-spec-validator>=0.7",
    # under 9.2 all of schemathesis' tests bear one name, and xdist runs only one of them
    "pytest>=8.3,<9.2",
    "pytest-cov>=6",
    "pytest-randomly>=3.16",
    "pytest-socket>=0.7",
    "pytest-xdist>=3.6",
    "regexploit>=1",
    "ruff>=0.11",
    "schemathesis>=4",
    "setuptools>=77",
    "time-machine>=2.16",
    "trustme>=1.2",
    "types-PyYAML>=6",
    "types-jsonschema>=4.20",
]


def read_version() -> str:
    """Return `__version__` of the package without importing it."""
    source = (HERE / "backend" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if found is None:
        raise RuntimeError("backend/__init__.py holds no __version__")
    return found[1]


setup(
    name="octobot-backend",
    version=read_version(),
    description="REST and streaming backend that runs an OctoBot and serves it",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="GPL-3.0-only",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["backend", "backend.*"]),
    package_data={"backend.settings": ["common_passwords.txt"]},
    install_requires=CORE + OCTOBOT,
    extras_require={"scale": SCALE, "dev": DEV + SCALE},
    entry_points={"console_scripts": ["octobot-backend=backend.cli.main:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Web Environment",
        "Framework :: Flask",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Office/Business :: Financial :: Investment",
    ],
)
