"""The documents: their links lead somewhere, their table of settings is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from backend.schemas.topics import Topic
from backend.settings.describe import describe
from backend.settings.model import Settings
from benchmarks.__main__ import find_benchmarks

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "docs" / "configuration.md"
PAGES = sorted(
    page
    for where in (".", "docs", "benchmarks", "clients/*")
    for page in (ROOT / where).glob("*.md")
)
LINK = re.compile(r"\]\(([^)#:]+)\)")
ROW = re.compile(r"^\| `(BACKEND_\w+)` \| (?:`([^`]*)`)? ?\|", re.MULTILINE)


def test_every_setting_is_listed_with_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(f"BACKEND_{field.upper()}", raising=False)
    listed = [
        found.groups(default="") for found in ROW.finditer(SETTINGS.read_text(encoding="utf-8"))
    ]
    shown = [(name, text.removeprefix(f"{tmp_path}/")) for name, text in describe(Settings())]
    assert dict(listed) == dict(shown)
    assert len(listed) == len(shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_links_to_exists(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_benchmark_is_listed() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert set(find_benchmarks()) <= set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def test_the_security_inventory_names_only_what_exists() -> None:
    page = (ROOT / "docs" / "security-inventory.md").read_text(encoding="utf-8")
    files = set(re.findall(r"`(backend/[a-z_/]+\.py)`", page))
    assert len(files) > 10
    assert [file for file in files if not (ROOT / file).is_file()] == []
    settings = set(re.findall(r"`(BACKEND_[A-Z_]+)`", page))
    assert settings <= {f"BACKEND_{name.upper()}" for name in Settings.model_fields}


def test_every_topic_is_listed_with_its_events() -> None:
    page = (ROOT / "docs" / "streaming.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| `\w+", page, re.MULTILINE)
    assert set(listed) == set(get_args(Topic))


def test_the_architecture_page_names_every_package_and_only_files_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py)?)`", page))
    roots = (ROOT, ROOT / "backend", ROOT / "backend" / "bridge")
    missing = {
        name
        for name in named
        if not any((root / name).exists() or (root / f"{name}.py").exists() for root in roots)
    }
    assert missing == set()
    packages = {path.parent.name for path in (ROOT / "backend").glob("*/__init__.py")}
    assert {name for name in packages if f"`backend/{name}`" not in page} == set()


def asvs_rows() -> list[list[str]]:
    """Return the cells of each row of the ASVS tables: numbers, level, title, verdict, reason."""
    lines = (ROOT / "docs" / "asvs.md").read_text(encoding="utf-8").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| V")]


def test_every_test_that_the_asvs_page_names_exists() -> None:
    named = {
        name for row in asvs_rows() for name in re.findall(r"`([\w/]+\.py(?:::\w+)?)`", row[-1])
    }
    assert len(named) > 100
    missing = []
    for name in named:
        file, _, function = name.partition("::")
        path = ROOT / "tests" / file
        if not path.exists() or f"def {function}" not in path.read_text(encoding="utf-8"):
            missing.append(name)
    assert missing == []


def test_the_asvs_page_answers_each_requirement_of_levels_1_and_2_once() -> None:
    rows = asvs_rows()
    numbers = [number for row in rows for number in row[0].split(", ")]
    assert len(numbers) == len(set(numbers)) == 253
    verdicts = [row[3] for row in rows for _ in row[0].split(", ")]
    page = (ROOT / "docs" / "asvs.md").read_text(encoding="utf-8")
    counts = [verdicts.count(verdict) for verdict in ("met", "not met", "not applicable")]
    assert sum(counts) == 253
    assert [
        int(number)
        for number in re.findall(r"(\d+) (?:are met|are not,|\s*do not)", page.replace("\n", " "))
    ] == counts
