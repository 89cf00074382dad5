"""The Python of docs/client.md and of the README, in order, against the whole service."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source import ROOT

pytestmark = pytest.mark.slow
MOST_LINES = 12
"""From an upload to a prediction."""


def programs(page: str) -> list[str]:
    """The Python blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)


def ran(program: str, url: str, folder: Path) -> str:
    """What a program printed, in a process of its own, that a service at ``url`` answers."""
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", program],
        cwd=folder,
        env={"PARSIMONY_URL": url, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return done.stdout


def test_the_example_of_the_readme(installed: str, tmp_path: Path) -> None:
    (program,) = programs("README.md")
    assert len([line for line in program.splitlines() if line.strip()]) <= MOST_LINES
    rows = [f"{20 + i % 60},{18 + i % 50},{('skilled', 'unskilled')[i % 2]}" for i in range(400)]
    risky = [(20 + i % 60 < 45) + i % 2 > 0 for i in range(400)]
    lines = [f"{row},{'yes' if risk else 'no'}" for row, risk in zip(rows, risky, strict=True)]
    (tmp_path / "loans.csv").write_text("\n".join(["income,age,job,default", *lines, ""]))
    address = "http://127.0.0.1:8000"
    assert program.count(address) == 1
    said = ran(program.replace(address, installed), installed, tmp_path)
    assert "l1.strength=" in said
    assert "validation_loss" in said
    assert "prediction" in said
    assert [line.split()[0] for line in said.splitlines()[-2:]] == ["0", "1"]


def test_the_page(installed: str, tmp_path: Path) -> None:
    blocks = programs("docs/client.md")
    mark = "=== next block ==="
    program = f"\nprint({mark!r})\n".join(blocks)
    first, findings, out, files, loop, wrong = ran(program, installed, tmp_path).split(mark)
    assert "dropout" in first
    assert "rows" in first  # the verdict
    assert "{'columns': {'code': 'numeric'}}" in findings
    assert "'prediction': 'yes'" in out
    assert not files.strip()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("curves.csv", "tensorboard.zip", "mlflow.zip", "report.html")
    }
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert loop.strip()
    assert wrong.strip().startswith("422 invalid_request regularization.dropout")
