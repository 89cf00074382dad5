"""Kinds of problem that users of such services report, each in several spellings: what comes
of the job, and what the model answers.

What was meant comes out, or a message that helps. Nothing is guessed in silence.
"""

import json
from typing import Any

import numpy as np
import pytest

from tests.api.client import Client
from tests.api.kinds import LINEAR, ask, codes, kinds, npz, run, send, table

pytestmark = pytest.mark.slow  # a minute of processor time: each trains a network
RNG = np.random.default_rng(3)
EFFECTS = [3, -7, 5, 1, -4, 9, -2, 0]
REGION = [[1 + n % 8, EFFECTS[n % 8] + (n % 5) / 100] for n in range(160)]


@pytest.mark.parametrize(
    "labels", [["001", "002", "010"], ["01", "1", "001"], ["0", "00", "007"], ["00501", "10001"]]
)
def test_labels_with_leading_zeros_are_texts(client: Client, labels: list[str]) -> None:
    """B04: classes as they stand in the file, told, answered, and weighed by their names."""
    rows = [[n % len(labels) + 0.01 * n, labels[n % len(labels)]] for n in range(60)]
    dataset = send(client, table("x,code", rows), target="code")
    assert kinds(dataset)["code"] == "categorical"
    assert "leading_zeros" in codes(dataset, "code")
    assert set(dataset["understood"]["classes"]) == set(labels)
    weights = {"class_weights": {"weights": dict.fromkeys(labels, 2.0)}}
    run(client, dataset, model="codes", regularization=weights)
    (answer,) = ask(client, "codes", {"x": 0.5})["predictions"]
    assert set(answer["probabilities"]) == set(labels)


@pytest.mark.parametrize(
    ("labels", "sent"),
    [
        (["10.10", "10.50", "11.00"], 10.5),
        (["1.0", "2.0", "3.0"], 2),
        (["100", "250", "400"], 250.0),
        (["1e3", "20", "7.50"], 1000),
    ],
)
def test_a_number_finds_the_category_that_is_it(
    client: Client, labels: list[str], sent: float
) -> None:
    """B08b: and one that is none of them is told."""
    rows = [[labels[n % 3], [1.5, 9.5, 20.5][n % 3] + 0.01 * n] for n in range(60)]
    dataset = send(client, table("k,y", rows), columns='{"k": "categorical"}', target="y")
    run(client, dataset, model="known", **LINEAR)
    text = next(label for label in labels if float(label) == sent)
    known = ask(client, "known", {"k": text}, {"k": sent})
    assert known["predictions"][0] == known["predictions"][1]
    assert known["warnings"] == []
    (warning,) = ask(client, "known", {"k": 99})["warnings"]
    assert (warning["code"], warning["column"]) == ("unknown_category", "k")


@pytest.mark.parametrize(
    "codes_of",
    [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [10115, 20095, 50667, 60311, 70173, 80331, 90402, 99084],
        [-1, 0, 1, 2, 3, 5, 8, 13],
        [100, 200, 300, 400, 500, 600, 700, 800],
    ],
)
def test_a_column_is_declared_in_one_line(client: Client, codes_of: list[int]) -> None:
    """B09: at upload, in a job, and for built-in data; no upload twice."""
    rows = [[codes_of[region - 1], y] for region, y in REGION]
    dataset = send(client, table("region,y", rows), target="y")
    assert "integer_codes" in codes(dataset, "region")
    assert run(client, dataset, **LINEAR)["best"]["metrics"]["validation_r2"] < 0.3
    declared = run(client, dataset, **LINEAR, columns={"region": "categorical"})
    assert declared["best"]["metrics"]["validation_r2"] > 0.99
    said = send(client, table("region,y", rows), target="y", columns='{"region": "categorical"}')
    assert run(client, said, **LINEAR)["best"]["metrics"]["validation_r2"] > 0.99
    builtin = client.post(
        "/v1/jobs/validate",
        json={"dataset": {"builtin": "iris"}, "columns": {"sepal length (cm)": "ignore"}},
    ).json()
    assert builtin["understood"]["left_out"] == {"sepal length (cm)": "ignored"}


@pytest.mark.parametrize("cells", [["7"], [""], ["same"], ["7", ""], ["0.1"]])
def test_a_column_that_says_nothing_does_not_act(client: Client, cells: list[str]) -> None:
    """B11: it is named, left out, and whatever stands in it at prediction changes nothing."""
    rows = [[cells[n % len(cells)], n / 10, n % 10 + 0.5] for n in range(60)]
    dataset = send(client, table("k,x,y", rows), target="y")
    assert codes(dataset, "k") & {"constant", "empty"}
    assert set(dataset["understood"]["left_out"]) == {"k"}
    run(client, dataset, model="steady", training={"epochs": 3})
    answers = ask(client, "steady", *({"k": k, "x": 0.5} for k in (7, 8, 1000, None)), {"x": 0.5})
    assert len({json.dumps(one) for one in answers["predictions"]}) == 1


@pytest.fixture(scope="module")
def bytes_model(client: Client) -> str:
    """A model of pixels from 0 to 255."""
    pixels = RNG.integers(0, 256, (60, 6, 6)).astype(np.uint8)
    dataset = send(client, npz(x=pixels, y=np.arange(60) % 3), "images.npz")
    network = {"kind": "cnn", "channels": [2], "hidden": [4]}
    run(client, dataset, model="bytes", network=network)
    return "bytes"


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [
        (lambda n: n * 7, []),
        (lambda n: n / 36, ["pixels_look_scaled"]),
        (lambda n: n % 2, ["pixels_look_scaled"]),
        (lambda n: n * 20, "pixels_out_of_range"),
        (lambda n: n / 18 - 1, "pixels_out_of_range"),
        (lambda n: n * 1800, "pixels_out_of_range"),
    ],
)
def test_pixels_on_another_scale(
    client: Client, bytes_model: str, pixel: Any, expected: list[str] | str
) -> None:
    """B12."""
    image = [[float(pixel(6 * row + column)) for column in range(6)] for row in range(6)]
    answer = ask(client, bytes_model, image)
    if isinstance(expected, str):
        assert (answer["status"], answer["code"]) == (422, expected)
    else:
        assert [warning["code"] for warning in answer["warnings"]] == expected


@pytest.mark.parametrize("cell", ["1e30", "-3e37", "1e25"])
@pytest.mark.parametrize(
    "job",
    [
        {},
        {
            "search": {
                "trials": 2,
                "space": {"regularization.l1.strength": {"low": 1e-5, "high": 1e-3}},
            }
        },
        {"compare": [{"name": "a"}, {"name": "b", "regularization": {"dropout": 0.2}}]},
    ],
)
def test_what_has_no_finite_objective_does_not_win(
    client: Client, cell: str, job: dict[str, Any]
) -> None:
    """B14: the job fails and names the cell, which was told at upload."""
    rows: list[list[object]] = [[n / 10, n % 10] for n in range(60)]
    rows[11][0] = cell
    dataset = send(client, table("x,y", rows), target="y")
    assert "extreme_value" in codes(dataset, "x")
    split = {
        "rows": {"train": [n for n in range(50) if n != 11], "validation": [11, *range(50, 60)]}
    }
    ended = run(client, dataset, model="none", split=split, task="regression", **job)
    assert (ended["state"], ended["best"]) == ("failed", None)
    assert ended["error"]["code"] == "no_finite_objective"
    assert "'x'" in ended["error"]["message"] or "x = " in ended["error"]["message"]


@pytest.mark.parametrize(
    "job",
    [
        {"split": {"folds": 5}},
        {"split": {"folds": 3}, "repeats": 2},
        {"repeats": 4},
        {
            "split": {"folds": 3},
            "compare": [{"name": "a"}, {"name": "b", "network": {"kind": "linear"}}],
        },
    ],
)
def test_a_winner_is_told_by_its_mean(client: Client, job: dict[str, Any]) -> None:
    """B18: not by its luckiest fold; what is served after folds learned from all rows."""
    ended = run(client, send(client, table("x,y", REGION), target="y"), "mean", **job)
    best = ended["best"]
    trials = client.get(f"/v1/jobs/{ended['id']}/trials?limit=100").json()["data"]
    number = next(t["configuration"] for t in trials if t["name"] == best["name"])
    losses = [
        t["metrics"]["validation_loss"]
        for t in trials
        if t["configuration"] == number and t["settings"].get("refit") is None
    ]
    assert best["n"] == len(losses)
    assert best["metrics"]["validation_loss"] == pytest.approx(np.mean(losses))
    assert best["deviations"]["validation_loss"] == pytest.approx(np.std(losses, ddof=1))
    assert best["refitted"] is ("split" in job)
    version = client.get(f"/v1/models/mean/versions/{ended['model']['version']}").json()
    assert version["metrics"]["validation_loss"] == best["metrics"]["validation_loss"]


@pytest.mark.parametrize(
    "rows",
    [
        ["1,1.5", "2,2.5", "3,3.7"],
        ["1,5", "2,6", "3,6", "4,6"],
        ["1,1e6", "2,1000001", "3,1000000.5"],
        ["0,-0.25", "1,0.5", "2,0.1", "3,0.1", "4,0.1"],
    ],
)
def test_r2_of_rows_that_do_not_differ_is_none(client: Client, rows: list[str]) -> None:
    """B19."""
    dataset = send(client, "x,y\n" + "\n".join(rows) + "\n", target="y")
    split = {"rows": {"train": [0, 1], "validation": list(range(2, len(rows)))}}
    job = run(client, dataset, split=split, task="regression")
    assert job["best"]["metrics"]["validation_r2"] is None
    assert job["best"]["metrics"]["validation_rmse"] is not None


@pytest.mark.parametrize(
    "weights", [{}, {"weights": {"0": 1.0, "1": 3.0}}, {"weights": "balanced"}]
)
def test_a_solver_weighs_classes(client: Client, weights: dict[str, Any]) -> None:
    """B21."""
    rows = [[n / 10 + 3 * (n % 5 == 0), int(n % 5 == 0)] for n in range(100)]
    dataset = send(client, table("x,y", rows), target="y")
    with_weights = {"class_weights": weights, "l2": {"strength": 0.1}}
    job = run(client, dataset, **LINEAR, regularization=with_weights)
    plain = run(client, dataset, **LINEAR, regularization={"l2": {"strength": 0.1}})
    assert job["state"] == "succeeded"
    assert job["best"]["metrics"]["train_loss"] != plain["best"]["metrics"]["train_loss"]


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%dT%H:%M:%S", "%d %b %Y"]
)
def test_dates_are_told_and_declared(client: Client, form: str) -> None:
    """B27: categories with a warning; as dates, numbers that new days have too."""
    days = np.datetime64("2024-01-13") + np.arange(0, 320, 4)
    texts = [day.astype(object).strftime(form) for day in days]
    rows = [[text, n / 10] for n, text in enumerate(texts)]
    dataset = send(client, table("day,y", rows), target="y")
    assert kinds(dataset)["day"] == "categorical"
    (found,) = [one for one in dataset["findings"] if one["code"] == "dates"]
    assert found["change"] == {"columns": {"day": "date"}}
    job = run(client, dataset, model="days", **LINEAR, **found["change"])
    assert job["best"]["metrics"]["validation_r2"] > 0.99
    answers = ask(client, "days", {"day": texts[3]}, {"day": "2024-06-06"}, {"day": "2024-12-31"})
    values = [one["value"] for one in answers["predictions"]]
    assert values == sorted(values)
    assert answers["warnings"] == []


@pytest.mark.parametrize(
    ("mean", "scale"), [(10_000.0, 1.0), (-1e6, 10.0), (0.0, 1e-8), (3e5, 1e3)]
)
def test_r2_does_not_depend_on_where_the_target_lies(
    client: Client, mean: float, scale: float
) -> None:
    """B31: against scikit-learn, on the answers that are served."""
    from sklearn.metrics import r2_score

    x = RNG.normal(size=(200, 2))
    noise = RNG.normal(size=200)
    y = mean + scale * (x[:, 0] - x[:, 1] + noise)
    rows = [[repr(float(v)) for v in (*row, target)] for row, target in zip(x, y, strict=True)]
    dataset = send(client, table("a,b,y", rows), target="y")
    split = {"rows": {"train": list(range(150)), "validation": list(range(150, 200))}}
    job = run(client, dataset, "shifted", split=split, **LINEAR)
    asked = ask(client, "shifted", *x[150:].tolist(), warnings=False)
    served = [one["value"] for one in asked["predictions"]]
    found = job["best"]["metrics"]["validation_r2"]
    assert found == pytest.approx(r2_score(y[150:], served), abs=1e-4)
