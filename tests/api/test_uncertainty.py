"""How sure a model is, through the doors: calibrated, covered, and how far its networks differ."""

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from tests.api.client import Client
from tests.api.oip import outputs, tensor
from tests.api.work import ask, post, score, train
from worker.models import TrainedModel
from worker.storage import models as versions

Answer = dict[str, Any]
CIRCLE: Answer = {"builtin": "circle", "rows": 500, "seed": 3}
LEARNT: Answer = {"epochs": 12, "optimizer": {"kind": "adam", "learning_rate": 0.02}}
ROWS = [[0.5, -0.25], [1.75, 1.5], [-1.0, 0.125]]
COVERED: Answer = {"calibrated": True, "coverage": 0.9}


@pytest.fixture(scope="module")
def job(client: Client) -> str:
    """A comparison, on a split with test rows, whose winner is a model of two classes."""
    job_id = post(
        client,
        dataset=CIRCLE,
        split={"validation": 0.3, "test": 0.3},
        training=LEARNT,
        compare=[
            {"name": "none", "regularization": {}},
            {"name": "dropout", "regularization": {"dropout": {"p": 0.2}}},
        ],
        model="sure",
    )
    assert train(client, job_id)["state"] == "succeeded"
    return job_id


@pytest.fixture(scope="module")
def together(client: Client) -> str:
    """Three folds' networks of a regression that answer together."""
    job_id = post(
        client,
        dataset={"builtin": "diabetes"},
        split={"folds": 3, "test": 0.2},
        network={"kind": "mlp", "hidden": [8]},
        training=LEARNT,
        ensemble={"method": "folds"},
        model="together",
    )
    assert train(client, job_id)["best"]["served"] == "ensemble"
    return job_id


def predict(client: Client, model: str, rows: Any, **fields: Any) -> list[Answer]:
    body = {"instances": rows, **fields}
    answer = client.post(f"/v1/models/{model}/predict", json=body)
    assert answer.status_code == 200, answer.text
    found: list[Answer] = answer.json()["predictions"]
    return found


def held_back(client: Client, job_id: str, part: str) -> list[Answer]:
    """The rows of a part: their truth, and what the served trial answers."""
    answer = client.get(f"/v1/jobs/{job_id}/predictions", params={"part": part})
    assert answer.status_code == 200, answer.text
    found: list[Answer] = answer.json()["data"]
    return found


def uncertainty(client: Client, job_id: str) -> Answer:
    found: Answer = client.get(f"/v1/jobs/{job_id}/report").json()["appraisal"]["uncertainty"]
    return found


def test_the_temperature_is_the_optimum_on_the_validation_rows(client: Client, job: str) -> None:
    told = uncertainty(client, job)
    assert (told["fitted"], told["fitted_rows"]) == ("validation", 150)
    assert (told["measured"], told["measured_rows"]) == ("test", 150)
    assert told["trial"] == client.get(f"/v1/jobs/{job}").json()["best"]["trial"]

    def scaled(part: str, t: float) -> float:
        rows = held_back(client, job, part)
        p = np.array([[row["probabilities"][name] for name in ("0", "1")] for row in rows])
        p = p ** (1 / t)
        return float(log_loss([row["truth"] for row in rows], p / p.sum(axis=1, keepdims=True)))

    rows = held_back(client, job, "validation")
    logits = np.array(
        [np.log(row["probabilities"]["1"] / row["probabilities"]["0"]) for row in rows]
    )
    truth = np.array([row["truth"] for row in rows]).astype(int)

    def loss(t: float) -> float:
        return float(np.logaddexp(0, np.where(truth == 1, -1, 1) * logits / t).mean())

    t = told["scaling"]["temperature"]
    assert t == pytest.approx(minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x, rel=1e-3)
    assert told["scaling"]["log_loss_before"] == pytest.approx(scaled("test", 1.0), abs=1e-5)
    assert told["scaling"]["log_loss_after"] == pytest.approx(scaled("test", t), abs=1e-5)


def test_coverage_is_measured_on_the_test_rows(client: Client, job: str) -> None:
    rows, kept = (held_back(client, job, part) for part in ("test", "validation"))
    scores = np.sort([1 - row["probabilities"][row["truth"]] for row in kept])
    told = {one["level"]: one for one in uncertainty(client, job)["coverage"]}
    for level in (0.8, 0.9, 0.95):
        q = scores[int(np.ceil(151 * level - 1e-9)) - 1]
        sets = []
        for row in rows:
            most = max(row["probabilities"].values())
            sets.append({n for n, p in row["probabilities"].items() if 1 - p <= q or p == most})
        inside = np.mean([row["truth"] in one for row, one in zip(rows, sets, strict=True)])
        assert told[level]["covered"] == pytest.approx(inside)
        assert told[level]["size"] == pytest.approx(np.mean([len(one) for one in sets]))
        assert told[level]["low"] <= inside <= told[level]["high"]


def test_what_is_asked_for_changes_nothing_else(client: Client, job: str) -> None:
    plain = predict(client, "sure", ROWS)
    assert predict(client, "sure", ROWS, mc_samples=0, seed=5) == plain
    assert predict(client, "sure", ROWS, calibrated=False, members=False) == plain
    t = uncertainty(client, job)["scaling"]["temperature"]
    for one, whole in zip(predict(client, "sure", ROWS, **COVERED), plain, strict=True):
        assert (one["label"], one["value"]) == (whole["label"], whole["value"])
        odds = (whole["probabilities"]["1"] / whole["probabilities"]["0"]) ** (1 / t)
        assert one["probabilities"]["1"] == pytest.approx(odds / (1 + odds), abs=1e-6)
        assert whole["label"] in one["prediction_set"]
    covered = predict(client, "sure", ROWS, coverage=0.9)
    assert [{**one, "prediction_set": None} for one in covered] == [
        {**one, "prediction_set": None} for one in plain
    ]


def test_every_door_answers_the_same(client: Client, job: str) -> None:
    told = predict(client, "sure", ROWS, **COVERED)
    inside = [[name in one["prediction_set"] for name in ("0", "1")] for one in told]
    second = [one["probabilities"]["1"] for one in told]
    body = {"inputs": [tensor("instances", ROWS, "FP64")], "parameters": COVERED}
    answer = client.post("/v2/models/sure/infer", json=body)
    assert answer.status_code == 200, answer.text
    assert outputs(answer.json())["prediction_set"] == inside
    assert np.array(outputs(answer.json())["probabilities"])[:, 1] == pytest.approx(
        second, abs=1e-7
    )
    header = {"X-Amzn-SageMaker-Target-Model": "sure"}
    body = {"instances": ROWS, "params": COVERED}
    answer = client.post("/invocations", json=body, headers=header)
    assert answer.json()["predictions"] == told
    text = "x1,x2\n" + "".join(f"{a},{b}\n" for a, b in ROWS)
    answer = client.post(
        "/v1/models/sure/predict?calibrated=true&coverage=0.9",
        content=text,
        headers={"Content-Type": "text/csv"},
    )
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [[line[f"in_set_{name}"] == "true" for name in "01"] for line in lines] == inside
    assert [float(line["probability_1"]) for line in lines] == pytest.approx(second)
    dataset = client.upload(text).json()["id"]
    done = score(client, ask(client, model="sure", dataset=dataset, **COVERED))
    assert (done["calibrated"], done["coverage"], done["members"]) == (True, 0.9, False)
    table = pq.read_table(io.BytesIO(client.get(done["result"]["url"]).content)).to_pydict()
    assert [list(row) for row in zip(table["in_set_0"], table["in_set_1"], strict=True)] == inside
    assert table["probability_1"] == pytest.approx(second)


def test_passes_with_dropout_of_files_and_of_stored_data_sets(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same seed gives the same answers, to the bit, at every door and in blocks of any size."""
    dropped = {"dropout": {"p": 0.3}}
    job_id = post(client, dataset=CIRCLE, regularization=dropped, model="dropped")
    assert train(client, job_id)["state"] == "succeeded"
    rows = [[0.03 * n - 2, 0.05 * n - 3] for n in range(40)]
    asked = {"mc_samples": 8, "seed": 7}
    told = predict(client, "dropped", rows, **asked)
    text = "x1,x2\n" + "".join(f"{a},{b}\n" for a, b in rows)
    dataset = client.upload(text).json()["id"]
    tables = []
    for passes in (1_000_000, 160):
        monkeypatch.setattr("service.serving.doors.files.MOST_PASSES", passes)
        monkeypatch.setattr("worker.runtime.scored_table.BLOCK_ROWS", passes)
        answer = client.post(
            "/v1/models/dropped/predict",
            params=asked,
            content=text,
            headers={"Content-Type": "text/csv", "Accept": "application/vnd.apache.parquet"},
        )
        assert answer.status_code == 200, answer.text
        tables.append(pq.read_table(io.BytesIO(answer.content)).to_pydict())
        done = score(client, ask(client, model="dropped", dataset=dataset, **asked))
        assert (done["mc_samples"], done["seed"], done["result"]["metrics"]) == (8, 7, None)
        result = client.get(done["result"]["url"]).content
        tables.append(pq.read_table(io.BytesIO(result)).to_pydict())
    assert [list(table) for table in tables[:2]] == [list(tables[0])] * 2
    for name in ("probability_1", "deviation_1", "entropy", "mutual_information"):
        assert all(table[name] == tables[0][name] for table in tables)
    assert tables[0]["entropy"] == pytest.approx([one["entropy"] for one in told])
    assert tables[0]["deviation_1"] == pytest.approx([one["deviation"]["1"] for one in told])
    assert min(tables[0]["deviation_1"]) >= 0 < max(tables[0]["mutual_information"])


def test_what_is_scored_is_what_is_told(client: Client, job: str) -> None:
    """The log loss of a file, and of a stored data set, is that of the probabilities asked for."""
    classes = ["0", "1", "1"]
    lines = [f"{a},{b},{c}" for (a, b), c in zip(ROWS, classes, strict=True)]
    text = "\n".join(["x1,x2,outside", *lines])
    dataset = client.upload(text).json()["id"]
    seen = set()
    for calibrated in (False, True):
        rows = predict(client, "sure", ROWS, calibrated=calibrated)
        p = [row["probabilities"][name] for row, name in zip(rows, classes, strict=True)]
        answer = client.post(
            "/v1/models/sure/predict",
            params={"score": "true", "calibrated": json.dumps(calibrated)},
            content=text,
            headers={"Content-Type": "text/csv"},
        )
        asked = {"model": "sure", "dataset": dataset, "calibrated": calibrated}
        done = score(client, ask(client, **asked))["result"]
        assert answer.status_code == 200, answer.text
        for metrics in (answer.json()["metrics"], done["metrics"]):
            assert metrics["log_loss"] == pytest.approx(-np.log(p).mean(), abs=1e-5)
        seen.add(round(done["metrics"]["log_loss"], 6))
    assert len(seen) == 2


def test_the_networks_of_an_ensemble_and_an_interval(client: Client, together: str) -> None:
    rows = [[0.01 * n for n in range(10)], [0.02] * 10]
    plain = predict(client, "together", rows)
    told = predict(client, "together", rows, members=True, coverage=0.8)
    with client.services.database.read() as session:
        version = versions.resolve(session, "together", None)
        data = client.services.artefacts.read(version.path, version.sha256)
    model = TrainedModel.load(data, version.position)
    assert model.calibrated is not None
    q = model.calibrated.margin(0.8)
    scores = model.member_scores(model.encode(model.read(rows).table))[:, :, 0]
    spread = (scores.astype(float) * model.target_scale).std(axis=0, ddof=1)
    for one, whole, deviation in zip(told, plain, spread, strict=True):
        assert one["value"] == whole["value"]
        assert one["interval"] == pytest.approx([whole["value"] - q, whole["value"] + q])
        assert one["deviation"] == pytest.approx(deviation, rel=1e-4)
    report = uncertainty(client, together)
    assert (report["trial"], report["fitted"], report["measured"]) == (None, "out_of_fold", "test")
    assert any("alone" in note for note in report["notes"])
    text = client.get(f"/v1/jobs/{together}/report.md").text
    assert "How sure the served model is" in text


@pytest.mark.parametrize(
    ("model", "fields", "param", "says"),
    [
        ("sure", {"members": True}, "members", "single network"),
        ("sure", {"coverage": 0.999}, "coverage", "0.9933"),
        ("sure", {"coverage": 0.9, "mc_samples": 5}, "coverage", "mc_samples"),
        ("together", {"calibrated": True}, "calibrated", "answers values"),
        ("together", {"mc_samples": 5}, "mc_samples", "leave mc_samples out"),
    ],
)
def test_what_cannot_be_answered_is_refused_at_every_door(
    client: Client, job: str, together: str, model: str, fields: Answer, param: str, says: str
) -> None:
    width = 2 if model == "sure" else 10
    rows = [[0.1] * width]
    answers = [
        client.post(f"/v1/models/{model}/predict", json={"instances": rows, **fields}),
        client.post(
            f"/v2/models/{model}/infer",
            json={"inputs": [tensor("instances", rows, "FP64")], "parameters": fields},
        ),
        client.post(
            "/invocations",
            json={"instances": rows, "params": fields},
            headers={"X-Amzn-SageMaker-Target-Model": model},
        ),
    ]
    answers.append(
        client.post(
            f"/v1/models/{model}/predict",
            params={name: json.dumps(value) for name, value in fields.items()},
            content="x1,x2\n1,2\n",
            headers={"Content-Type": "text/csv"},
        )
    )
    body = {"model": model, "dataset": {"builtin": "circle"}, **fields}
    answers.append(client.post("/v1/predictions", json=body))
    for answer in answers:
        assert answer.status_code == (400 if "/v2/" in str(answer.url) else 422), answer.text
        assert answer.json()["param"] == param
        assert says in answer.json()["detail"]


def test_a_quantile_has_no_interval_and_no_rows_no_temperature(client: Client) -> None:
    loss = {"kind": "quantile", "q": 0.9}
    spec = {"dataset": {"builtin": "diabetes"}, "split": {"validation": 0.2}}
    job_id = post(client, **spec, training={"epochs": 2, "loss": loss}, model="ninety")
    assert train(client, job_id)["state"] == "succeeded"
    body = {"instances": [[0.0] * 10], "coverage": 0.9}
    answer = client.post("/v1/models/ninety/predict", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, "coverage")
    assert "0.9-quantile" in answer.json()["detail"]
    job_id = post(client, dataset=CIRCLE, split={"validation": 0.0}, model="all_rows")
    assert train(client, job_id)["state"] == "succeeded"
    answer = client.post(
        "/v1/models/all_rows/predict", json={"instances": ROWS, "calibrated": True}
    )
    assert (answer.status_code, answer.json()["param"]) == (422, "calibrated")
    assert "split.validation above 0" in answer.json()["detail"]


@pytest.mark.slow
def test_a_refit_keeps_what_its_folds_said(client: Client) -> None:
    """The network that answers saw all rows; what it keeps are answers of those that did not."""
    spec = {"dataset": CIRCLE, "training": LEARNT, "split": {"folds": 4, "test": 0.2}}
    job_id = post(client, **spec, model="again")
    assert train(client, job_id)["state"] == "succeeded"
    told = uncertainty(client, job_id)
    assert (told["fitted"], told["fitted_rows"]) == ("out_of_fold", 400)
    assert any("trained once more" in note for note in told["notes"])
    rows = held_back(client, job_id, "out_of_fold")
    expected = sorted(1 - row["probabilities"][row["truth"]] for row in rows)
    with client.services.database.read() as session:
        version = versions.resolve(session, "again", None)
        data = client.services.artefacts.read(version.path, version.sha256)
    model = TrainedModel.load(data, version.position)
    assert model.calibrated is not None
    assert model.calibrated.scores == pytest.approx(np.array(expected), abs=1e-5)
    assert (version.trial_id, version.position) == (told["trial"], 0)


WIDTHS = [
    {"name": f"{width} wide", "network": {"kind": "mlp", "hidden": [width]}} for width in (24, 3)
]


@pytest.mark.parametrize(
    ("spec", "fitted"),
    [
        ({"compare": WIDTHS, "split": {"validation": 0.3}, "repeats": 2}, 150),
        ({"compare": WIDTHS[::-1], "split": {"validation": 0.3}}, 150),
        ({"split": {"folds": 4}, "refit": False}, 125),
        ({"regularization": {"snapshot_ensemble": {"members": 3}}}, 100),
    ],
)
def test_what_is_kept_is_of_the_trial_that_is_served(
    client: Client, spec: Answer, fitted: int
) -> None:
    """In whichever fleet it was trained; of folds, on the rows that it validates itself."""
    job_id = post(client, dataset=CIRCLE, training=LEARNT, **spec, model="kept")
    ended = train(client, job_id)
    told = uncertainty(client, job_id)
    version = client.get(f"/v1/models/kept/versions/{ended['model']['version']}").json()
    assert version["trial"] == told["trial"] == ended["best"]["trial"]
    kept = version["manifest"]["calibration"]
    assert (kept["part"], kept["rows"], kept["kept"]) == ("validation", fitted, fitted)
    assert kept["temperature"] == told["scaling"]["temperature"]
    rows = held_back(client, job_id, "validation")
    expected = sorted(1 - row["probabilities"][row["truth"]] for row in rows)
    with client.services.database.read() as session:
        row = versions.resolve(session, "kept", ended["model"]["version"])
        data = client.services.artefacts.read(row.path, row.sha256)
    model = TrainedModel.load(data, row.position)
    assert model.calibrated is not None
    assert model.calibrated.scores == pytest.approx(np.array(expected), abs=1e-5)
