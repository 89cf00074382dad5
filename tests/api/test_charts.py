"""Pictures of what came of a job: as Chart.js configuration, PNG and SVG, by kind."""

import io
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix  # type: ignore[import-untyped]

from service.charts.palette import COLOURS
from service.charts.picture import PictureKind
from tests.api.client import Client
from tests.api.work import post, train

Answer = dict[str, Any]
QUICK: Answer = {
    "epochs": 4,
    "batch_size": 64,
    "optimizer": {"kind": "adam", "learning_rate": 0.03},
}
TECHNIQUES: Answer = {"l1": {"strength": 0.01}, "dropout": {"p": 0.5}}
COMPARED: Answer = {
    "name": "$a_ comparison",
    "dataset": {"builtin": "circle", "rows": 200},
    "training": QUICK,
    "compare": [
        {"name": "all of them", "regularization": TECHNIQUES},
        {"name": "none", "regularization": {}},
    ],
    "repeats": 3,
    "attribute": True,
}
SEARCHED: Answer = {
    "dataset": {"builtin": "circle", "rows": 100},
    "training": {"epochs": 2},
    "search": {
        "trials": 16,
        "space": {
            "regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True},
            "regularization.dropout.p": {"low": 0.0, "high": 0.8},
        },
    },
}
LASSO: Answer = {
    "dataset": {"builtin": "diabetes"},
    "network": {"kind": "linear"},
    "split": {"folds": 3},
    "training": {"epochs": 200, "optimizer": {"kind": "solver"}},
    "regularization": {"l1": {"strength": 1.0}},
    "search": {"method": "path", "over": "regularization.l1.strength", "points": 12},
}
JOBS = {"compared": COMPARED, "searched": SEARCHED, "lasso": LASSO}


@pytest.fixture(scope="module")
def jobs(client: Client) -> dict[str, str]:
    ids = {name: post(client, **spec) for name, spec in JOBS.items()}
    for job_id in ids.values():
        assert train(client, job_id)["state"] == "succeeded"
    return ids


def chart(client: Client, job_id: str, kind: str = "curves", **query: Any) -> Answer:
    answer = client.get(f"/v1/jobs/{job_id}/chart", params={"kind": kind, **query})
    assert answer.status_code == 200, answer.text
    body: Answer = answer.json()
    return body


def series(client: Client, job_id: str, name: str, metric: str) -> np.ndarray:
    """A metric of a configuration's trials, a row a trial."""
    listed = client.get(f"/v1/jobs/{job_id}/trials", params={"limit": 100}).json()["data"]
    return np.array(
        [
            client.get(f"/v1/jobs/{job_id}/metrics", params={"trial": trial["id"]}).json()[
                "metrics"
            ][metric]
            for trial in listed
            if trial["name"] == name
        ]
    )


def report(client: Client, job_id: str) -> Answer:
    body: Answer = client.get(f"/v1/jobs/{job_id}/report").json()
    return body


KINDS: list[tuple[str, PictureKind]] = [
    *(("compared", kind) for kind in ("curves", "training", "attribution", "confusion")),
    *(("compared", kind) for kind in ("calibration", "roc", "precision_recall")),
    *(("searched", "surface"), ("lasso", "path"), ("lasso", "importance")),
]


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        pytest.param(*pair, marks=() if pair[1] in ("curves", "surface") else pytest.mark.slow)
        for pair in KINDS
    ],
)
def test_each_kind_has_three_forms(
    client: Client, jobs: dict[str, str], job: str, kind: PictureKind
) -> None:
    drawn = chart(client, jobs[job], kind)
    assert drawn["type"] in ("line", "bar")
    assert drawn["data"]["datasets"]
    assert "function" not in str(drawn)
    axes = [
        axis for axis in drawn["options"]["scales"].values() if axis.get("title", {}).get("text")
    ]
    assert {
        axis.get("axis", "x" if axis is drawn["options"]["scales"]["x"] else "y") for axis in axes
    }
    path, size = f"/v1/jobs/{jobs[job]}/chart", {"kind": kind, "width": 640, "height": 420}
    png = client.get(f"{path}.png", params={**size, "density": 2})
    assert png.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(png.content)).size == (1280, 840)
    svg = client.get(f"{path}.svg", params=size)
    assert svg.headers["content-type"] == "image/svg+xml"
    root = ET.fromstring(svg.content)
    assert (root.get("width"), root.get("height")) == ("480pt", "315pt")  # 96 pixels are 72 pt


def test_curves_are_the_objective_in_the_order_of_the_ranking(
    client: Client, jobs: dict[str, str]
) -> None:
    drawn = chart(client, jobs["compared"])
    ranked = [entry["name"] for entry in report(client, jobs["compared"])["configurations"]]
    lines = [one for one in drawn["data"]["datasets"] if one["order"] == 0]
    dashed = [one for one in drawn["data"]["datasets"] if one["order"] == 1]
    assert [line["label"] for line in lines] == ranked
    assert [line["label"] for line in dashed] == [f"training: {name}" for name in ranked]
    assert [line["borderColor"] for line in lines] == list(COLOURS[: len(ranked)])
    assert [line["borderColor"] for line in dashed] == list(COLOURS[: len(ranked)])
    assert all(line["borderDash"] == [] for line in lines)
    assert all(line["borderDash"] != [] for line in dashed)
    assert len({line["pointStyle"] for line in lines}) == len(ranked)
    best = client.get(f"/v1/jobs/{jobs['compared']}").json()["best"]["name"]
    widths = {line["label"]: line["borderWidth"] for line in lines}
    assert max(widths, key=lambda name: widths[name]) == best
    assert sorted(widths.values())[-2] * 2 < widths[best]
    for full, thin in zip(lines, dashed, strict=True):
        for line, metric in ((full, "validation_loss"), (thin, "train_loss")):
            values = series(client, jobs["compared"], full["label"], metric)
            assert values.shape == (3, 4)
            assert line["data"] == pytest.approx(values.mean(0))


def test_the_band_is_one_standard_deviation_over_the_repeats(
    client: Client, jobs: dict[str, str]
) -> None:
    drawn = chart(client, jobs["compared"])
    ranked = [entry["name"] for entry in report(client, jobs["compared"])["configurations"]]
    datasets = drawn["data"]["datasets"]
    edges = [n for n, one in enumerate(datasets) if one.get("fill") == "-1"]
    assert len(edges) == len(ranked)
    for name, high in zip(ranked, edges, strict=True):
        values = series(client, jobs["compared"], name, "validation_loss")
        spread = values.std(0, ddof=1)
        assert datasets[high]["data"] == pytest.approx(values.mean(0) + spread)
        assert datasets[high - 1]["data"] == pytest.approx(values.mean(0) - spread)
    note = " ".join(drawn["options"]["plugins"]["subtitle"]["text"])
    assert "3 repeats" in note
    assert "± 1 standard deviation" in note


def test_epochs_are_whole(client: Client, jobs: dict[str, str]) -> None:
    drawn = chart(client, jobs["compared"])
    assert drawn["data"]["labels"] == [1, 2, 3, 4]
    x = drawn["options"]["scales"]["x"]
    assert (x["type"], x["title"]["text"]) == ("category", "Epoch")


def test_the_training_loss_is_drawn_from_zero_in_the_order_posted(
    client: Client, jobs: dict[str, str]
) -> None:
    """As the configuration of Chart.js in the text that the service was built from."""
    drawn = chart(client, jobs["compared"], "training")
    lines = drawn["data"]["datasets"]
    posted = ["all of them", "none", "all of them without l1", "all of them without dropout"]
    assert [line["label"] for line in lines] == posted
    assert drawn["type"] == "line"
    y = drawn["options"]["scales"]["y"]
    assert (y["min"], y["beginAtZero"], y["title"]["text"]) == (0, True, "Training loss (nats)")
    assert len({str(line["borderDash"]) for line in lines}) == 4
    for line in lines:
        values = series(client, jobs["compared"], line["label"], "train_loss")
        assert line["data"] == pytest.approx(values.mean(0))


def test_metric_and_top_choose_what_is_drawn(client: Client, jobs: dict[str, str]) -> None:
    drawn = chart(client, jobs["compared"], top=1, metric="validation_accuracy")
    ranked = [entry["name"] for entry in report(client, jobs["compared"])["configurations"]]
    lines = [line for line in drawn["data"]["datasets"] if line["order"] == 0]
    assert [line["label"] for line in lines] == ranked[:1]
    values = series(client, jobs["compared"], ranked[0], "validation_accuracy")
    assert lines[0]["data"] == pytest.approx(values.mean(0))
    path = f"/v1/jobs/{jobs['compared']}/chart"
    for kind in ("curves", "attribution"):
        answer = client.get(path, params={"metric": "beauty", "kind": kind})
        assert (answer.status_code, answer.json()["param"]) == (404, "metric")
        assert "validation_loss" in answer.json()["detail"]


def test_an_objective_of_the_end_is_replaced_by_the_loss_and_that_is_said(client: Client) -> None:
    job_id = post(
        client,
        dataset={"builtin": "circle", "rows": 100},
        training={"epochs": 2},
        search={
            "trials": 2,
            "objective": "validation_auc",
            "space": {"regularization.dropout.p": {"low": 0.0, "high": 0.8}},
        },
    )
    train(client, job_id)
    options = chart(client, job_id)["options"]
    assert options["scales"]["y"]["title"]["text"].startswith("Validation loss")
    assert (
        "Validation AUC is measured at the end only." in options["plugins"]["subtitle"]["text"][0]
    )


def test_the_waterfall_leads_from_none_to_all(client: Client, jobs: dict[str, str]) -> None:
    drawn = chart(client, jobs["compared"], "attribution")
    told = report(client, jobs["compared"])
    means = {
        entry["name"]: entry["metrics"]["validation_loss"]["mean"]
        for entry in told["configurations"]
    }
    effects = {
        one["technique"]: effect
        for one in told["attribution"]
        for effect in one["effects"]
        if effect["metric"] == "validation_loss"
    }
    names = drawn["options"]["scales"]["xNames"]["labels"]
    order = sorted(effects, key=lambda name: -abs(effects[name]["difference"]))
    assert names == ["none", *order, "interplay", "all: all of them"]
    bars = [one for one in drawn["data"]["datasets"] if one["type"] == "bar"]
    spans = {
        place["x"]: sorted(place["y"])
        for bar in bars
        if bar["label"] not in ("", "95 % interval")
        for place in bar["data"]
    }
    level = means["none"]
    for place, technique in enumerate(order, start=1):
        following = level + effects[technique]["difference"]
        assert spans[place] == pytest.approx(sorted((level, following)))
        level = following
    assert spans[len(order) + 1] == pytest.approx(sorted((level, means["all of them"])))
    intervals = next(bar for bar in bars if bar["label"] == "95 % interval")["data"]
    for place, technique in enumerate(order, start=1):
        low, high = effects[technique]["interval"]
        start = spans[place][0 if effects[technique]["difference"] > 0 else 1]
        assert intervals[place - 1]["y"] == pytest.approx([start + low, start + high])


def test_a_path_has_its_weights_its_zeros_and_both_marks(
    client: Client, jobs: dict[str, str]
) -> None:
    drawn = chart(client, jobs["lasso"], "path")
    path = report(client, jobs["lasso"])["path"]
    scales = drawn["options"]["scales"]
    stacked = [axis for axis in ("y", "y2", "y3") if scales[axis]["stack"] == "panels"]
    assert [scales[axis]["title"]["text"].split()[0] for axis in stacked] == [
        "Loss",
        "Weights",
        "Weight,",
    ]
    lines = drawn["data"]["datasets"]
    for weight in path["weights"]:
        line = next(one for one in lines if one["label"] == weight["feature"])
        assert [point["y"] for point in line["data"]] == weight["values"]
        assert [point["x"] for point in line["data"]] == path["log"]
    used = np.count_nonzero([weight["values"] for weight in path["weights"]], axis=0)
    (counts,) = [one for one in lines if one["yAxisID"] == "y2" and len(one["data"]) == 12]
    assert [point["y"] for point in counts["data"]] == used.tolist()
    losses, errors = (np.array(path[f"validation_{name}"]) for name in ("loss", "error"))
    smallest = int(losses.argmin())
    good = losses <= losses[smallest] + errors[smallest]
    strongest = max(value for value, fine in zip(path["values"], good, strict=True) if fine)
    marks = {one["label"].split()[0]: one["data"] for one in lines if "λ" in one["label"]}
    assert marks["λ_min"][0]["x"] == path["log"][smallest]
    assert marks["λ_1SE"][0]["x"] == pytest.approx(np.log(strongest))
    assert [point["y"] for point in marks["λ_min"]] == [scales["y"]["min"], scales["y"]["max"]]
    fewer = chart(client, jobs["lasso"], "path", top=2)["data"]["datasets"]
    assert len([one for one in fewer if one["yAxisID"] == "y3" and one["label"]]) == 2


def test_a_confusion_matrix_is_that_of_the_curves(client: Client, jobs: dict[str, str]) -> None:
    stored = client.get(f"/v1/jobs/{jobs['compared']}/curves").json()
    drawn = chart(client, jobs["compared"], "confusion")
    matrix = np.array(stored["parts"]["validation"]["confusion"])
    scales = drawn["options"]["scales"]
    assert scales["xNames"]["labels"] == stored["classes"]
    assert scales["yNames"]["labels"] == stored["classes"][::-1]
    rows = {name: axis for name, axis in scales.items() if name.startswith("yRow")}
    for number in range(2):  # rows from below: the second class first
        texts = [axis["labels"] for name, axis in rows.items() if name.startswith(f"yRow{number}")]
        told = ["".join(column) for column in zip(*texts, strict=True)]
        assert told == [str(count) for count in matrix[1 - number]]
    truth = np.repeat([0, 0, 1, 1], matrix.ravel())
    answers = np.repeat([0, 1, 0, 1], matrix.ravel())
    assert (confusion_matrix(truth, answers) == matrix).all()  # rows are the truth


def test_calibration_has_all_rows_and_its_error(client: Client, jobs: dict[str, str]) -> None:
    stored = client.get(f"/v1/jobs/{jobs['compared']}/curves").json()["parts"]["validation"]
    drawn = chart(client, jobs["compared"], "calibration")
    # The winner's first trial; one of another configuration may be luckier.
    best = client.get(f"/v1/jobs/{jobs['compared']}").json()["best"]["single"]
    bars = next(one for one in drawn["data"]["datasets"] if one["type"] == "bar")
    assert sum(place["y"][1] for place in bars["data"]) == stored["rows"] == 40
    note = drawn["options"]["plugins"]["subtitle"]["text"][0]
    assert float(note.split()[-1].rstrip(".")) == pytest.approx(
        best["metrics"]["validation_ece"], rel=5e-3
    )


def test_importance_is_the_report_s_from_zero_with_its_intervals(
    client: Client, jobs: dict[str, str]
) -> None:
    found = report(client, jobs["lasso"])["appraisal"]["importance"]["columns"]
    drawn = chart(client, jobs["lasso"], "importance", top=7)
    bars: dict[int, list[float]] = {}
    for dataset in drawn["data"]["datasets"]:
        for point in dataset["data"]:
            if dataset["label"] == "95 % interval":
                one = found[int(point["x"])]
                assert point["y"] == [one["low"], one["high"]]
                assert one["low"] < one["rise"] < one["high"]
            elif dataset["label"]:
                bars[int(point["x"])] = point["y"]
                assert (dataset["label"] == "clear") == (found[int(point["x"])]["low"] > 0)
    assert bars == {n: sorted([0.0, one["rise"]]) for n, one in enumerate(found[:7])}
    assert len(found) == 10
    job_id = post(client, dataset={"builtin": "iris"}, training=QUICK, split={"validation": 0})
    waiting = client.get(f"/v1/jobs/{job_id}/chart", params={"kind": "importance"})
    assert (waiting.status_code, waiting.json()["param"]) == (409, "kind")
    assert train(client, job_id)["state"] == "succeeded"
    none = client.get(f"/v1/jobs/{job_id}/chart", params={"kind": "importance"})
    assert (none.status_code, none.json()["param"]) == (404, "kind")
    assert "held back" in none.json()["detail"]


def test_another_trial_and_another_part(client: Client, jobs: dict[str, str]) -> None:
    last = client.get(f"/v1/jobs/{jobs['compared']}/trials").json()["data"][-1]
    drawn = chart(client, jobs["compared"], "confusion", trial=last["id"], part="validation")
    assert drawn["options"]["plugins"]["title"]["text"].endswith(last["name"])
    path = f"/v1/jobs/{jobs['compared']}/chart"
    for query, param in (({"part": "test"}, "part"), ({"trial": "trl_none"}, "trial")):
        answer = client.get(path, params={"kind": "confusion", **query})
        assert (answer.status_code, answer.json()["param"]) == (404, param)


@pytest.mark.parametrize(
    ("job", "kind", "says"),
    [
        ("compared", "path", '"method": "path"'),
        ("compared", "surface", "is no search"),
        ("searched", "attribution", '"attribute": true'),
        ("lasso", "confusion", "numbers, not classes"),
    ],
)
def test_what_a_job_does_not_have_is_refused_with_what_it_has(
    client: Client, jobs: dict[str, str], job: str, kind: str, says: str
) -> None:
    for form in ("", ".png", ".svg"):
        answer = client.get(f"/v1/jobs/{jobs[job]}/chart{form}", params={"kind": kind})
        assert (answer.status_code, answer.json()["param"]) == (404, "kind")
        detail = answer.json()["detail"]
        assert says in detail
        assert "It has: curves, training" in detail


def test_what_a_job_may_have_later_is_a_conflict(client: Client) -> None:
    for spec, kind in ((COMPARED, "attribution"), (COMPARED, "roc"), (SEARCHED, "surface")):
        answer = client.get(f"/v1/jobs/{post(client, **spec)}/chart", params={"kind": kind})
        assert (answer.status_code, answer.json()["param"]) == (409, "kind"), answer.text
    answer = client.get(f"/v1/jobs/{post(client, **LASSO)}/chart", params={"kind": "path"})
    assert (answer.status_code, answer.json()["param"]) == (409, "kind")
    unknown = client.get(f"/v1/jobs/{post(client)}/chart", params={"kind": "pie"})
    assert (unknown.status_code, unknown.json()["param"]) == (422, "kind")


def test_a_job_that_has_not_begun_has_an_empty_chart(client: Client) -> None:
    path = f"/v1/jobs/{post(client)}/chart"
    assert client.get(path).json()["data"]["labels"] == []
    assert client.get(f"{path}.png").content.startswith(b"\x89PNG\r\n\x1a\n")
