"""The page of settings lists every setting, with its true default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.settings import Settings, describe

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(BACKEND_\w+)` \| (?:`([^`]*)`)? ?\|", re.MULTILINE)


def test_every_setting_is_listed_with_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(f"BACKEND_{field.upper()}", raising=False)
    listed = [found.groups(default="") for found in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    shown = [(name, text.removeprefix(f"{tmp_path}/")) for name, text in describe(Settings())]
    assert dict(listed) == dict(shown)
    assert len(listed) == len(shown)
