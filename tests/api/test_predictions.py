"""Stored data sets scored by the workers: the file is right, whole, and the same after any kill."""

import csv
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load, save

from tests.api.client import Client
from tests.api.graded import table
from tests.api.work import ask, claimed, post, score, train
from worker.jobs import predictions as intake
from worker.storage import fleets, models, predictions
from worker.storage.artefacts import Artefacts, FileManifest


@pytest.fixture(scope="module")
def model(client: Client) -> str:
    """A model of three columns; grey is a colour that it has not seen."""
    made = client.upload(table(200, 0), target="grade").json()["id"]
    network = {"kind": "mlp", "hidden": [16, 16]}
    regularization = {"dropout": {"p": 0.3}, "batch_norm": {}}
    job = post(
        client,
        dataset=made,
        network=network,
        regularization=regularization,
        columns={"id": "ignore", "day": "date"},
        model="graded",
    )
    assert train(client, job)["state"] == "succeeded"
    return "graded"


@pytest.fixture(scope="module")
def dataset(client: Client, model: str) -> str:
    """Other rows of the same kind, with the target."""
    made = client.upload(table(300, 1), target="grade", columns='{"day": "date"}')
    return str(made.json()["id"])


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 70 rows: 300 rows are 5 of them."""
    monkeypatch.setattr(intake, "PART_ROWS", 70)


def result(client: Client, prediction: dict[str, Any]) -> bytes:
    """The file, checked against what is said of it."""
    answer = client.get(prediction["result"]["url"])
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == prediction["result"]["bytes"]
    assert answer.headers["etag"] == f'"{prediction["result"]["sha256"]}"'
    content: bytes = answer.content
    return content


def parquet(client: Client, prediction: dict[str, Any]) -> pa.Table:
    return pq.read_table(io.BytesIO(result(client, prediction)))


def predicted(client: Client, model: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the predict door says of the same rows."""
    answer = client.post(
        f"/v1/models/{model}/predict",
        json={"instances": rows, "extra": "ignore", "warnings": False},
    )
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["predictions"]
    return found


def test_each_row_is_answered_as_the_predict_door_answers_it(
    client: Client, model: str, dataset: str, small_parts: None
) -> None:
    accepted = client.post("/v1/predictions", json={"model": model, "dataset": dataset})
    assert accepted.status_code == 202
    body = accepted.json()
    assert accepted.headers["location"] == f"/v1/predictions/{body['id']}"
    assert (body["object"], body["state"], body["version"]) == ("prediction", "queued", 1)
    assert (body["rows_total"], body["rows_done"], body["result"]) == (300, 0, None)
    done = score(client, body["id"])
    assert (done["state"], done["error"], done["rows_done"]) == ("succeeded", None, 300)
    found = parquet(client, done)
    assert found.column_names == [
        *("id", "size", "colour", "day", "grade"),
        *("prediction", "probability_bad", "probability_good"),
    ]
    sent = list(csv.DictReader(io.StringIO(table(300, 1))))
    assert found["id"].to_pylist() == [row["id"] for row in sent]
    assert found["colour"].to_pylist() == [row["colour"] for row in sent]
    assert [f"{day:%Y-%m-%d}" for day in found["day"].to_pylist()] == [row["day"] for row in sent]
    expected = predicted(client, model, [{k: v or None for k, v in row.items()} for row in sent])
    assert found["prediction"].to_pylist() == [answer["label"] for answer in expected]
    for name in ("bad", "good"):
        assert found[f"probability_{name}"].type == pa.float32()
        np.testing.assert_array_equal(
            found[f"probability_{name}"].to_numpy(),
            np.array([answer["probabilities"][name] for answer in expected], dtype=np.float32),
        )
    right = sum(a["label"] == row["grade"] for a, row in zip(expected, sent, strict=True))
    assert done["result"]["metrics"]["accuracy"] == pytest.approx(right / 300)
    assert done["result"]["metrics"]["auc"] is not None


def test_a_csv_holds_the_columns_that_are_kept_in_their_order(
    client: Client, model: str, dataset: str
) -> None:
    spec = {"model": model, "dataset": dataset, "format": "csv"}
    some = score(client, ask(client, **spec, keep=["day", "id"]))
    rows = list(csv.DictReader(io.StringIO(result(client, some).decode())))
    assert list(rows[0])[:3] == ["day", "id", "prediction"]
    whole = parquet(client, score(client, ask(client, model=model, dataset=dataset)))
    assert [row["prediction"] for row in rows] == whole["prediction"].to_pylist()
    np.testing.assert_array_equal(
        np.array([row["probability_bad"] for row in rows], dtype=np.float32),
        whole["probability_bad"].to_numpy(),
    )
    sent = csv.DictReader(io.StringIO(table(300, 1)))
    assert [(row["day"], row["id"]) for row in rows] == [(row["day"], row["id"]) for row in sent]
    none = score(client, ask(client, **spec, keep=[]))
    header = result(client, none).decode().partition("\n")[0]
    assert header == '"prediction","probability_bad","probability_good"'


def test_without_the_target_nothing_is_measured_and_taken_names_are_numbered(
    client: Client, model: str
) -> None:
    lines = table(30, 2, target=False).splitlines()
    lines = [f"{line},{n or 'prediction'}" for n, line in enumerate(lines)]
    made = client.upload("\n".join(lines) + "\n").json()["id"]
    done = score(client, ask(client, model=model, dataset=made))
    assert done["result"]["metrics"] is None
    found = parquet(client, done)
    assert found.column_names[-4:] == [
        *("prediction", "prediction_1", "probability_bad", "probability_good"),
    ]
    assert found["prediction"].to_pylist() == list(range(1, 31))


def test_a_column_of_another_kind_is_read_again_as_the_models(client: Client) -> None:
    """Without that, the category 01 would be the number 1, and unknown."""
    rows = "zip,x,y\n" + "01,1,a\n02,2,b\n" * 40
    made = client.upload(rows, target="y").json()["id"]
    job = post(client, dataset=made, columns={"zip": "categorical"}, model="zipped")
    assert train(client, job)["state"] == "succeeded"
    kinds = {c["name"]: c["kind"] for c in client.get(f"/v1/datasets/{made}").json()["columns"]}
    other = "zip,x\n" + "02,1\n01,2\n" * 10
    scored = client.upload(other, columns='{"zip": "numeric"}').json()["id"]
    done = score(client, ask(client, model="zipped", dataset=scored))
    assert done["error"] is None
    found = parquet(client, done)
    assert found["zip"].to_pylist() == ["02", "01"] * 10, kinds
    expected = predicted(client, "zipped", [{"zip": "02", "x": 1}, {"zip": "01", "x": 2}])
    assert (
        found["probability_a"].to_pylist()
        == [np.float32(answer["probabilities"]["a"]) for answer in expected] * 10
    )


def test_the_answers_of_a_regression_are_measured(client: Client) -> None:
    rng = np.random.default_rng(5)
    rows = [f"{x:.4f},{3 * x + rng.normal():.4f}" for x in rng.normal(size=60)]
    made = client.upload("x,y\n" + "\n".join(rows) + "\n", target="y").json()["id"]
    assert train(client, post(client, dataset=made, model="line"))["state"] == "succeeded"
    done = score(client, ask(client, model="line", dataset=made))
    found = parquet(client, done)
    assert found.column_names == ["x", "y", "prediction"]
    truth = found["y"].to_numpy()
    error = found["prediction"].to_numpy() - truth
    metrics = done["result"]["metrics"]
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.square(error).mean()))
    assert metrics["mae"] == pytest.approx(np.abs(error).mean())
    assert metrics["r2"] == pytest.approx(1 - np.square(error).mean() / truth.var())


def test_a_model_that_fails_its_certificate_does_not_answer(client: Client) -> None:
    """Its weights are others than those that were trained; the hash is theirs."""
    rows = "x,y\n" + "1,a\n2,b\n" * 30
    made = client.upload(rows, target="y").json()["id"]
    assert train(client, post(client, dataset=made, model="tampered"))["state"] == "succeeded"
    prediction = ask(client, model="tampered", dataset=made)
    services = client.services
    with services.database.write() as session:
        version = models.resolve(session, "tampered")
        tensors = load(services.artefacts.read(version.path))
        changed = {
            name: tensor + 1 if name.startswith("weights.") else tensor
            for name, tensor in tensors.items()
        }
        written = services.artefacts.write("tampered", {"model": save(changed)})
        version.path = written.file("model")
        version.sha256 = written.files["model"].sha256
    done = score(client, prediction)
    assert (done["state"], done["result"]) == ("failed", None)
    assert done["error"]["code"] == "not_certified"
    assert "as_trained" in done["error"]["message"]
    refused = client.get(f"/v1/predictions/{prediction}/result")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_result")


@pytest.mark.slow
def test_images_are_scored_and_not_kept(client: Client) -> None:
    job = post(client, dataset={"builtin": "digits"}, model="digits")
    assert train(client, job)["state"] == "succeeded"
    spec = {"model": "digits", "dataset": {"builtin": "digits"}}
    found = parquet(client, score(client, ask(client, **spec)))
    assert found["prediction"].type == pa.int64()
    assert "image" not in found.column_names
    kept = client.post("/v1/predictions", json={**spec, "keep": ["image"]})
    assert (kept.status_code, kept.json()["param"]) == (422, "keep.0")


class Killed(Exception):  # noqa: N818  (says what happened)
    """Stands for a kill."""


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A store that fails for good after so many more writes."""
    left = [10**9]
    write = Artefacts.write

    def broken(self: Artefacts, folder: str, files: Any) -> FileManifest:
        if not folder.startswith("predictions/"):  # the service looks whether it can write
            return write(self, folder, files)
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return write(self, folder, files)

    monkeypatch.setattr(Artefacts, "write", broken)
    return left


@pytest.mark.parametrize("form", ["parquet", pytest.param("csv", marks=pytest.mark.slow)])
def test_what_was_interrupted_goes_on_and_ends_with_the_same_file(
    client: Client, model: str, dataset: str, small_parts: None, breaking: list[int], form: str
) -> None:
    spec = {"model": model, "dataset": dataset, "format": form}
    whole = score(client, ask(client, **spec))
    disturbed = ask(client, **spec)
    written = []
    # Three parts; then two, and the result is not written; then none but that.
    for left, expected in ((3, 210), (2, 300), (10**9, 300)):
        lease = claimed(client, disturbed)
        breaking[0] = left
        try:
            score(client, disturbed, lease)
        except Killed:
            with client.services.database.write() as session:
                fleets.crashed(session, lease, "killed", max_attempts=2)
        now = client.get(f"/v1/predictions/{disturbed}").json()
        assert now["rows_done"] == expected
        written.append(left - breaking[0])
    assert written == [4, 3, 1]
    assert now["state"] == "succeeded"
    assert now["result"] == {**whole["result"], "url": now["result"]["url"]}


@pytest.mark.slow
def test_a_damaged_part_is_scored_again(
    client: Client, model: str, dataset: str, small_parts: None, breaking: list[int]
) -> None:
    whole = score(client, ask(client, model=model, dataset=dataset))
    disturbed = ask(client, model=model, dataset=dataset)
    lease = claimed(client, disturbed)
    breaking[0] = 5
    with pytest.raises(Killed):
        score(client, disturbed, lease)
    breaking[0] = 10**9
    services = client.services
    with services.database.write() as session:
        part = predictions.stored_parts(session, disturbed)[3]
        fleets.crashed(session, lease, "killed", max_attempts=2)
    file = services.artefacts.local_path(f"{part.path}/rows.parquet")
    assert file is not None
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    done = score(client, disturbed)
    assert done["result"]["sha256"] == whole["result"]["sha256"]
    parts = services.artefacts.local_path(predictions.parts_folder(disturbed))
    assert parts is not None
    assert not parts.exists()


def test_a_stale_lease_writes_nothing(client: Client, model: str, dataset: str) -> None:
    prediction = ask(client, model=model, dataset=dataset)
    stale = claimed(client, prediction)
    with client.services.database.write() as session:
        fleets.release(session, stale)
    claimed(client, prediction)
    with pytest.raises(fleets.StaleToken):
        score(client, prediction, stale)
    now = client.get(f"/v1/predictions/{prediction}").json()
    assert (now["state"], now["rows_done"]) == ("running", 0)


def test_predictions_are_no_jobs(client: Client, model: str, dataset: str) -> None:
    prediction = ask(client, model=model, dataset=dataset)
    listed = client.get("/v1/jobs?limit=1000").json()["data"]
    assert listed
    assert all(job["id"].startswith("job_") for job in listed)
    assert client.get(f"/v1/jobs/{prediction}").status_code == 404
    assert client.post(f"/v1/jobs/{prediction}/cancel").status_code == 404
    assert client.get(f"/v1/predictions/{listed[0]['id']}").status_code == 404
    assert client.get("/v1/predictions/latest").json()["id"] == prediction
    in_use = client.delete(f"/v1/datasets/{dataset}")
    assert (in_use.status_code, in_use.json()["code"]) == (409, "dataset_in_use")
    page = client.get("/v1/predictions?limit=1&state=queued").json()
    assert [row["id"] for row in page["data"]] == [prediction]
    after = client.get("/v1/predictions", params={"after": prediction}).json()
    assert after["data"]
    assert prediction not in [row["id"] for row in after["data"]]


def test_a_cancelled_prediction_has_no_result(client: Client, model: str, dataset: str) -> None:
    prediction = ask(client, model=model, dataset=dataset)
    unfinished = client.get(f"/v1/predictions/{prediction}/result")
    assert (unfinished.status_code, unfinished.json()["code"]) == (409, "no_result")
    cancelled = client.post(f"/v1/predictions/{prediction}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert client.post(f"/v1/predictions/{prediction}/cancel").status_code == 200
    assert client.get(f"/v1/predictions/{prediction}/result").status_code == 409
    waited = client.get(f"/v1/predictions/{prediction}", headers={"Prefer": "wait=30"})
    assert waited.headers["preference-applied"] == "wait=30"
    ended = score(client, ask(client, model=model, dataset=dataset))
    refused = client.post(f"/v1/predictions/{ended['id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_ended")


def test_a_key_makes_one_prediction(client: Client, model: str, dataset: str) -> None:
    spec = {"model": model, "dataset": dataset}
    headers = {"Idempotency-Key": "once"}
    first = client.post("/v1/predictions", json=spec, headers=headers)
    again = client.post("/v1/predictions", json=spec, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    other = client.post("/v1/predictions", json={**spec, "format": "csv"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    # The same members are a job too, which is something else.
    job = client.post("/v1/jobs", json=spec, headers=headers)
    assert (job.status_code, job.json()["code"]) == (422, "idempotency_key_reused")


def test_an_alias_is_settled_when_the_prediction_is_accepted(
    client: Client, model: str, dataset: str
) -> None:
    client.put(f"/v1/models/{model}/aliases/stable", json={"version": 1})
    prediction = client.post(
        "/v1/predictions", json={"model": model, "version": "stable", "dataset": dataset}
    )
    assert prediction.json()["version"] == 1


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": "nobody"}, 404, "not_found", "name"),
        ({"version": 9}, 404, "not_found", "version"),
        ({"version": "nowhere"}, 404, "not_found", "version"),
        ({"dataset": "ds_nothing0000"}, 404, "dataset_not_found", "dataset"),
        ({"dataset": {"builtin": "iris"}}, 422, "missing_column", "dataset"),
        ({"dataset": "iris"}, 422, "invalid_request", "dataset"),
        ({"keep": ["id", "colours"]}, 422, "unknown_column", "keep.1"),
        ({"keep": ["id", "id"]}, 422, "invalid_request", "keep"),
        ({"format": "xlsx"}, 422, "invalid_request", "format"),
        ({"rows": 3}, 422, "invalid_request", "rows"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    client: Client,
    model: str,
    dataset: str,
    change: dict[str, Any],
    status: int,
    code: str,
    param: str,
) -> None:
    answer = client.post("/v1/predictions", json={"model": model, "dataset": dataset, **change})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["param"]) == (status, code, param)


def test_missing_columns_are_named_and_unreadable_kinds_refused(client: Client, model: str) -> None:
    lacking = client.upload("size,day\n1,2024-01-01\n2,2024-01-02\n").json()["id"]
    answer = client.post("/v1/predictions", json={"model": model, "dataset": lacking})
    assert (answer.status_code, answer.json()["columns"]) == (422, ["colour"])
    text = "size,colour,day\n" + "large,red,2024-01-01\nsmall,blue,2024-01-02\n" * 5
    unread = client.upload(text).json()["id"]
    answer = client.post("/v1/predictions", json={"model": model, "dataset": unread})
    assert answer.status_code == 422
    assert "size" in answer.json()["detail"]
