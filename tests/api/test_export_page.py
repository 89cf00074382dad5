"""The programs of docs/export.md run on files that the service gave out, and say what it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.client import Client
from tests.api.kinds import ask
from tests.api.loans import train_loans
from tests.source import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROWS = [{"income": 25.5, "job": "skilled", "since": "2021-02-28"}, [None, None, None]]


@pytest.fixture(scope="module", autouse=True)
def loans(client: Client) -> None:
    train_loans(client)


@pytest.mark.parametrize(("number", "to"), [(0, "onnx"), (1, "pt2"), (2, "safetensors")])
def test_a_program_of_the_page(client: Client, tmp_path: Path, number: int, to: str) -> None:
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    programs = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    assert len(programs) == 3
    assert f'export?format={to}" -o loans.{to}\n' in page
    answer = client.get(f"/v1/models/loans/export?format={to}", timeout=300)
    assert answer.status_code == 200, answer.text
    (tmp_path / f"loans.{to}").write_bytes(answer.content)
    done = subprocess.run(
        [sys.executable, "-c", programs[number]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[0])
    answers = ask(client, "loans", *ROWS)["predictions"]
    assert said["label"] == [one["label"] for one in answers]
