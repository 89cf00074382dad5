"""What is left of a trained network, over HTTP."""

from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import post, train


@pytest.fixture(scope="module")
def job(client: Client) -> dict[str, Any]:
    """The circle problem under SGD: proximal L1 at .01, and the subgradient form beside it."""
    posted = post(
        client,
        dataset={"builtin": "circle"},
        training={"epochs": 50, "optimizer": {"kind": "sgd", "learning_rate": 0.1}},
        compare=[
            {
                "name": "proximal",
                "regularization": {"l1": {"strength": 0.01, "method": "proximal"}},
            },
            {"name": "subgradient", "regularization": {"l1": {"strength": 0.01}}},
        ],
        model="sparse",
    )
    return train(client, posted)


def test_the_report_tells_proximal_from_subgradient(client: Client, job: dict[str, Any]) -> None:
    report = client.get(f"/v1/jobs/{job['id']}/report").json()
    networks = {entry["name"]: entry["network"] for entry in report["configurations"]}
    proximal, subgradient = networks["proximal"], networks["subgradient"]
    assert proximal["sparsity"] > 0.9
    assert "are exactly zero" in proximal["statement"]
    assert sum(layer["zeros"] for layer in proximal["layers"]) == proximal["zeros"]
    assert (subgradient["zeros"], subgradient["sparsity"]) == (0, 0)
    assert "None of 2,650 weights is exactly zero." in subgradient["statement"]
    assert "method proximal does" in subgradient["statement"]
    assert subgradient["prunable"]["sparsity"] > 0.9


def test_columns_are_named(client: Client, job: dict[str, Any]) -> None:
    report = client.get(f"/v1/jobs/{job['id']}/report").json()
    features = {e["name"]: e["network"]["features"] for e in report["configurations"]}
    assert features["subgradient"]["used"] == ["x1", "x2"]
    both = features["proximal"]["used"] + features["proximal"]["unused"]
    assert sorted(both) == ["x1", "x2"]


def test_a_category_is_named_by_its_column(client: Client) -> None:
    rows = "".join(f"{i % 7},{'abc'[i % 3]},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(90))
    made = client.upload("size,letter,answer\n" + rows, target="answer").json()["id"]
    regularization = {"group_lasso": {"strength": 0.05, "layers": [0]}}
    training = {"epochs": 60, "optimizer": {"kind": "sgd", "learning_rate": 0.1}}
    posted = post(client, dataset=made, regularization=regularization, training=training)
    job = train(client, posted)
    (entry,) = client.get(f"/v1/jobs/{job['id']}/report").json()["configurations"]
    features = entry["network"]["features"]
    assert features["unused"] == ["letter"]
    assert (features["inputs"], features["inputs_unused"]) == (4, 3)
    assert "It does not depend on 1 of 2 columns: letter." in entry["network"]["statement"]


def test_the_curve_lies_beside_its_thresholds(client: Client, job: dict[str, Any]) -> None:
    version = client.get("/v1/models/sparse/versions/1").json()
    network, curve = version["network"], version["network"]["pruning"]
    assert network["trial"] == version["trial"] == job["best"]["trial"]
    assert (curve["part"], curve["rows"]) == ("validation", 200)
    for name in ("sparsity", "loss", "accuracy", "balanced_accuracy", "recall"):
        assert len(curve[name]) == len(curve["thresholds"]) == 10
    assert curve["sparsity"] == sorted(curve["sparsity"])
    assert curve["accuracy"][0] == pytest.approx(version["metrics"]["validation_accuracy"])


def test_the_leaderboard_has_the_short_form(client: Client, job: dict[str, Any]) -> None:
    for trial in client.get(f"/v1/jobs/{job['id']}/trials").json()["data"]:
        assert trial["network"].keys() == {
            "statement", "sparsity", "dead_units", "columns_unused", "prunable",
        }  # fmt: skip
        assert trial["network"]["sparsity"] == pytest.approx(trial["metrics"]["sparsity"])


def test_there_is_none_before_the_end(client: Client) -> None:
    path = f"/v1/jobs/{post(client)}"
    assert client.get(f"{path}/trials").json()["data"][0]["network"] is None
    assert client.get(f"{path}/report").json()["configurations"][0]["network"] is None
