"""The README's curl walk, block after block in one shell, against the whole service."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.installation import installation
from tests.source import ROOT

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "awk", "python3"))),
    reason="the walk is written for bash, curl, awk and python3",
)


def walk() -> list[str]:
    """The ``bash`` blocks of the README, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)


def test_the_walk_from_upload_to_prediction(tmp_path: Path) -> None:
    mark = "=== next block ==="
    script = f"\necho; echo '{mark}'\n".join(walk())
    with installation() as url:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"PARSIMONY={url}\n{script}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    table, dataset, job, prediction, certificate, search, report, auto = done.stdout.split(mark)
    assert not table.strip()
    assert dataset.strip().startswith("ds_")
    trained = json.loads(job)
    assert trained["state"] == "succeeded"
    assert trained["trials"] == {"total": 9, "finished": 9, "failed": 0}
    answer = json.loads(prediction)
    assert [one["label"] for one in answer["predictions"]] == ["yes", "no"]
    assert (answer["model"], answer["version"]) == ("loans", 1)
    assert json.loads(certificate)["passed"] is True
    assert not search.strip()
    assert "regularization.dropout.p" in report
    assert json.loads(auto)["model"] == {"name": "cancer", "version": 1}
