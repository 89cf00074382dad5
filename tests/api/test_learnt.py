"""What a version has learnt: coefficients, its file, and the manifest."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from tests.api.client import Client
from tests.api.kinds import LINEAR, ask, run, send
from tests.api.work import train
from tests.source import ROOT
from worker.storage import models

ROWS = [{"income": 25.5, "job": "skilled"}, {"income": None, "job": "painter"}]


@pytest.fixture(scope="module")
def loans(client: Client) -> dict[str, Any]:
    """A model of a number and a text, the second of three configurations or the best of them."""
    jobs = ("skilled", "unskilled", "self-employed")
    lines = [f"{20 + n % 41}.5,{jobs[n % 3]},{(n * 7) % 5}" for n in range(120)]
    dataset = send(client, "\n".join(["income,job,grade", *lines]), target="grade")
    compare = [
        {"name": f"{p}", "regularization": {"dropout": {"p": p}, "l2": 1e-3}} for p in (0.1, 0.3)
    ]
    network = {"kind": "mlp", "hidden": [16, 8]}
    return run(client, dataset, "loans", network=network, compare=compare, training={"epochs": 8})


@pytest.fixture(scope="module")
def diabetes(client: Client) -> dict[str, Any]:
    """Least squares on the diabetes set, alone in its fleet."""
    preprocessing = {"numeric": "robust"}
    job = {**LINEAR, "split": {"validation": 0.0}, "preprocessing": preprocessing}
    answer = client.post(
        "/v1/jobs", json={"dataset": {"builtin": "diabetes"}, "model": "diabetes", **job}
    )
    return train(client, answer.json()["id"])


def test_coefficients_in_the_units_of_the_columns(client: Client, diabetes: dict[str, Any]) -> None:
    answer = client.get("/v1/models/diabetes/versions/1/coefficients").json()
    bunch = load_diabetes(scaled=False)
    expected = LinearRegression().fit(bunch.data, bunch.target)
    assert [one["feature"] for one in answer["data"]] == list(bunch.feature_names)
    np.testing.assert_allclose(
        [one["coefficient"] for one in answer["data"]], expected.coef_, rtol=1e-5
    )
    (intercept,) = answer["intercepts"]
    assert intercept["intercept"] == pytest.approx(expected.intercept_, rel=1e-6)
    assert intercept["output"] is None
    assert (answer["task"], answer["link"], answer["target"]) == (
        "regression",
        "identity",
        "progression",
    )
    assert (answer["total"], answer["has_more"]) == (10, False)
    page = client.get("/v1/models/diabetes/versions/1/coefficients?limit=3&skip=8").json()
    assert (page["data"], page["has_more"]) == (answer["data"][8:], False)
    page = client.get("/v1/models/diabetes/versions/1/coefficients?limit=3&skip=4").json()
    assert (page["data"], page["has_more"]) == (answer["data"][4:7], True)


def test_other_networks_have_no_coefficients(client: Client, loans: dict[str, Any]) -> None:
    answer = client.get("/v1/models/loans/versions/1/coefficients")
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["code"], problem["param"]) == ("no_coefficients", "version")
    assert "'mlp'" in problem["detail"]
    assert '{"kind": "linear"}' in problem["detail"]


def test_the_file_of_one_trial_tells_its_own_hash(client: Client, loans: dict[str, Any]) -> None:
    version = client.get("/v1/models/loans/versions/1").json()
    assert version["manifest"]["file"]["trials"] == 1
    answer = client.get("/v1/models/loans/versions/1/file")
    digest = hashlib.sha256(answer.content)
    assert answer.headers["ETag"] == f'"{digest.hexdigest()}"'
    assert (
        answer.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    )
    assert answer.headers["Parsimony-Position"] == "0"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="loans-1.safetensors"'
    manifest = json.loads(load(answer.content)["manifest"].tobytes())
    (trial,) = manifest["trials"]
    assert trial["name"] == version["manifest"]["settings"]["name"]
    assert client.get("/v1/models/loans/versions/1/file").content == answer.content
    head = client.request("HEAD", "/v1/models/loans/versions/1/file")
    assert (head.headers["ETag"], head.content) == (answer.headers["ETag"], b"")


def test_the_fleet_s_file_is_the_one_that_the_version_tells(
    client: Client, loans: dict[str, Any], diabetes: dict[str, Any]
) -> None:
    version = client.get("/v1/models/loans/versions/1").json()
    answer = client.get("/v1/models/loans/versions/1/file?of=fleet")
    assert hashlib.sha256(answer.content).hexdigest() == version["sha256"]
    assert answer.headers["ETag"] == f'"{version["sha256"]}"'
    assert len(answer.content) == version["bytes"]
    position = version["manifest"]["file"]["position"]
    assert answer.headers["Parsimony-Position"] == str(position)
    manifest = json.loads(load(answer.content)["manifest"].tobytes())
    assert manifest["trials"][position]["name"] == version["manifest"]["settings"]["name"]
    alone = client.get("/v1/models/diabetes/versions/1").json()
    for of in ("trial", "fleet"):
        answer = client.get(f"/v1/models/diabetes/versions/1/file?of={of}")
        assert answer.headers["ETag"] == f'"{alone["sha256"]}"', of


def test_the_page_rebuilds_the_network(
    client: Client, loans: dict[str, Any], tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "model-file.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    assert 'versions/1/file" -o loans.safetensors\n' in page
    content = client.get("/v1/models/loans/versions/1/file").content
    (tmp_path / "loans.safetensors").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [one["probabilities"] for one in ask(client, "loans", *ROWS)["predictions"]]
    for said, answered in zip(json.loads(done.stdout), answers, strict=True):
        assert said == pytest.approx(answered, abs=1e-6)


def test_the_manifest_tells_the_ranges_that_training_met(
    client: Client, diabetes: dict[str, Any], loans: dict[str, Any]
) -> None:
    columns = client.get("/v1/models/diabetes/versions/1").json()["manifest"]["columns"]
    trained = load_diabetes(scaled=False).data
    assert [one["minimum"] for one in columns] == pytest.approx(trained.min(axis=0).tolist())
    assert [one["maximum"] for one in columns] == pytest.approx(trained.max(axis=0).tolist())
    _, job = client.get("/v1/models/loans/versions/1").json()["manifest"]["columns"]
    assert (job["kind"], job["minimum"], job["maximum"]) == ("categorical", None, None)


def test_the_manifest_holds_what_it_promises(client: Client, loans: dict[str, Any]) -> None:
    manifest = client.get("/v1/models/loans/versions/1").json()["manifest"]
    assert manifest["network"]["hidden"] == [16, 8]
    assert [column["name"] for column in manifest["columns"]] == ["income", "job"]
    assert manifest["columns"][1]["categories_count"] == 3
    assert manifest["preprocessing"]["numeric"] == "standardize"
    assert manifest["target"]["column"] == "grade"
    assert manifest["target"]["classes"] == ["0", "1", "2", "3", "4"]
    assert manifest["split"]["validation"] == 0.2
    assert manifest["dataset"] == loans["spec"]["dataset"]
    assert {"torch", "numpy", "python", "parsimony"} <= manifest["environment"].keys()
    assert manifest["incomplete"] is None


def test_the_manifest_outlives_its_job_and_says_what_it_cannot_read(
    client: Client, diabetes: dict[str, Any]
) -> None:
    before = client.get("/v1/models/diabetes/versions/1").json()["manifest"]
    assert client.delete(f"/v1/jobs/{diabetes['id']}").status_code == 204
    assert client.get("/v1/models/diabetes/versions/1").json()["manifest"] == before
    services = client.services
    services.model_files.forget()
    with services.database.read() as session:
        path = models.resolve(session, "diabetes", 1).path
    file = services.artefacts.local_path(path)
    assert file is not None
    content = file.read_bytes()
    file.unlink()
    try:
        after = client.get("/v1/models/diabetes/versions/1").json()["manifest"]
    finally:
        file.write_bytes(content)
    assert after["columns"] is after["target"] is after["file"] is None
    assert "cannot be read" in after["incomplete"]
    assert (after["split"], after["network"]) == (before["split"], before["network"])
