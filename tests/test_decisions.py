"""Decision records are numbered, have their four parts, and name guards that exist."""

import re
from pathlib import Path

import pytest

from tests.source import ROOT

RECORDS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_records_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_its_parts_and_its_guard_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.name[:4]}. ")
    assert len(text.splitlines()) <= 80, "a record is one page"
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert headings == ["Context", "Decision", "Consequence", "Guard"]
    guard = text.partition("## Guard")[2]
    named = re.findall(r"`((?:tests|benchmarks)/[\w/.]*)`", guard)
    assert named
    assert all((ROOT / name).exists() for name in named), named
