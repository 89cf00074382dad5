"""A Python client generated from the OpenAPI document, on its way from upload to prediction."""

import importlib
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow

# The generator knows no pictures and no files of rows; read as bytes, they are what they are.
FILES = (
    "image/png",
    "image/svg+xml",
    "text/csv",
    "application/x-ndjson",
    "application/jsonlines",
    "application/vnd.apache.parquet",
)
CONFIG = {
    "content_type_overrides": dict.fromkeys(FILES, "application/octet-stream"),
    "post_hooks": [],
}


@pytest.fixture(scope="module")
def generated(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the package, once it is generated without a warning."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
    files = ["--path", "openapi.json", "--config", "config.json", "--output-path", "parsimony_api"]
    done = subprocess.run(
        [*command, *files, "--meta", "none"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    return str(folder)


def test_it_has_every_operation(generated: str, document: dict[str, Any]) -> None:
    names = {path.stem for path in Path(generated, "parsimony_api", "api").glob("*/*.py")}
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["operationId"] in names


def test_upload_job_wait_predict(
    generated: str, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(generated)

    def api(name: str) -> ModuleType:
        return importlib.import_module(f"parsimony_api.{name}")

    models, types = api("models"), api("types")
    draw = random.Random(1)
    rows = [(draw.uniform(-1, 1), draw.uniform(-1, 1)) for _ in range(200)]
    table = "x1,x2,y\n" + "".join(f"{a},{b},{'yes' if a > 0 else 'no'}\n" for a, b in rows)
    with api("client").Client(base_url=installed, timeout=60.0) as client:
        dataset = api("api.data_sets.upload_dataset").sync(
            client=client,
            body=models.BodyUploadDataset(
                file=types.File(payload=table.encode(), file_name="table.csv"), target="y"
            ),
        )
        assert isinstance(dataset, models.DatasetView)
        spec = models.JobSpec(
            dataset=dataset.id,
            network=models.MlpSpec(kind="mlp", hidden=[8]),
            training=models.Training(
                epochs=20, optimizer=models.AdamSpec(kind="adam", learning_rate=0.05)
            ),
            compare=[
                models.Variant(name="none", regularization=models.Regularization()),
                models.Variant(
                    name="dropout",
                    regularization=models.Regularization(dropout=models.Dropout(p=0.2)),
                ),
            ],
            model="generated",
        )
        job = api("api.jobs.create_job").sync(client=client, body=spec)
        assert isinstance(job, models.JobView)
        job = api("api.jobs.get_job").sync(job.id, client=client, prefer="wait=60")
        assert job.state == models.JobViewState.SUCCEEDED
        assert job.best.name in {"none", "dropout"}
        assert isinstance(job.spec.network, models.MlpSpec)
        assert job.spec.network.hidden == [8]
        report = api("api.results.get_report").sync("latest", client=client)
        assert {one.name for one in report.configurations} == {"none", "dropout"}
        picture = api("api.results.get_chart_picture").sync(job.id, client=client)
        assert picture.payload.read(4) == b"\x89PNG"
        answer = api("api.predictions.predict").sync(
            job.model.name,
            client=client,
            body=models.PredictRequest(instances=[[0.9, 0.1], [-0.9, 0.1]]),
        )
        assert [one.label for one in answer.predictions] == ["yes", "no"]
        problem = api("api.predictions.predict").sync(
            "nowhere", client=client, body=models.PredictRequest(instances=[[0.9, 0.1]])
        )
        assert isinstance(problem, models.Problem)
        assert problem.code == "not_found"
