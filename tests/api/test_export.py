"""Exports over HTTP: trained by a job, fetched, and run by what reads such files."""

import hashlib
import io
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from tests.api.client import Client
from tests.api.kinds import Answer, ask, run
from tests.api.loans import JOBS, train_loans
from worker.models import TrainedModel

ROWS: list[dict[str, Any]] = [
    {"income": 25.5, "job": "skilled", "since": "2021-02-28"},
    {"income": None, "job": None, "since": None},
    {"income": -1e6, "job": "astronaut", "since": "2024-02-29"},
]


@pytest.fixture(scope="module", autouse=True)
def dataset(client: Client) -> Answer:
    """What the model `loans` learnt from."""
    return train_loans(client)


def fetch(client: Client, **query: str) -> bytes:
    answer = client.get("/v1/models/loans/export", params=query, timeout=300)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    name = f"loans-1.{query['format']}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    return answer.content


def days(text: str | None) -> float:
    return np.nan if text is None else float(np.datetime64(text, "D").astype(int))


def test_onnx_runtime_gives_the_answers_of_the_service(client: Client) -> None:
    session = onnxruntime.InferenceSession(
        fetch(client, format="onnx"), providers=["CPUExecutionProvider"]
    )
    label, probabilities, value = session.run(
        ["label", "probabilities", "value"],
        {
            "income": np.array([[row["income"]] for row in ROWS], dtype=float),
            "job": np.array([[row["job"] or ""] for row in ROWS], dtype=object),
            "since": np.array([[days(row["since"])] for row in ROWS]),
        },
    )
    answers = ask(client, "loans", *ROWS)["predictions"]
    assert label.tolist() == [one["label"] for one in answers]
    assert value.tolist() == [one["value"] for one in answers]
    expected = [list(one["probabilities"].values()) for one in answers]
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_the_own_format_is_read_by_this_release(client: Client) -> None:
    content = fetch(client, format="safetensors", version="1")
    model = TrainedModel.load(content, 0)
    answers = [one.model_dump(exclude_none=True) for one in model.predict_records(ROWS)]
    assert answers == ask(client, "loans", *ROWS)["predictions"]
    assert client.get("/v1/models/loans/export").content == content


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_torch_export_reads_the_archive(client: Client) -> None:
    """It was made in a process of its own."""
    program = torch.export.load(io.BytesIO(fetch(client, format="pt2")))
    names = sorted(JOBS)
    codes = [[names.index(row["job"]) if row["job"] in names else -1] for row in ROWS]
    numbers = [
        [np.nan if row["income"] is None else row["income"], days(row["since"])] for row in ROWS
    ]
    given = {"numbers": torch.tensor(numbers, dtype=torch.float64), "codes": torch.tensor(codes)}
    found = program.module()(**given)
    answers = ask(client, "loans", *ROWS)["predictions"]
    assert found["value"].tolist() == [one["value"] for one in answers]
    expected = [list(one["probabilities"].values()) for one in answers]
    np.testing.assert_allclose(found["probabilities"].numpy(), expected, atol=1e-5)


def test_head_tells_the_size(client: Client) -> None:
    answer = client.request("HEAD", "/v1/models/loans/export", params={"format": "onnx"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(fetch(client, format="onnx"))


def test_another_format_is_refused(client: Client) -> None:
    answer = client.get("/v1/models/loans/export", params={"format": "pmml"})
    assert (answer.status_code, answer.json()["param"]) == (422, "format")
    assert all(name in answer.json()["detail"] for name in ("safetensors", "onnx", "pt2"))


@pytest.mark.parametrize(
    ("path", "version", "param"), [("none", "1", "name"), ("loans", "9", "version")]
)
def test_an_unknown_model_is_not_found(client: Client, path: str, version: str, param: str) -> None:
    query = {"format": "onnx", "version": version}
    answer = client.get(f"/v1/models/{path}/export", params=query)
    assert (answer.status_code, answer.json()["param"]) == (404, param)


def test_a_model_without_a_passed_certificate_is_not_exported(
    client: Client, dataset: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker.models import Certificate
    from worker.models.certificate import Check

    def refuse(model: object) -> Certificate:
        check = Check(name="eval_mode", passed=False, detail="1 module in training mode")
        return Certificate(issued_at="2026-11-23T07:30:00+00:00", passed=False, checks=(check,))

    run(client, dataset, "refused", columns={"since": "date"})
    monkeypatch.setattr("service.serving.residents.certify", refuse)
    answer = client.get("/v1/models/refused/export", params={"format": "onnx"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_certified")


def test_a_file_that_disagrees_is_not_given_out(
    client: Client, dataset: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No rounding is allowed here, and there is some."""
    run(client, dataset, "exact", columns={"since": "date"})
    monkeypatch.setattr("worker.models.export.check.compare.__defaults__", (0.0,))
    answer = client.get("/v1/models/exact/export", params={"format": "onnx"})
    assert (answer.status_code, answer.json()["code"]) == (503, "export_disagrees")
    assert answer.json()["difference"] > 0
