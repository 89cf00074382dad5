"""A prediction tells what its instances hold that training did not, unless it is told not to."""

import io
from typing import Any

import numpy as np
import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post, train

ROW = {"income": 25.5, "price": "10.50", "job": "skilled"}


@pytest.fixture(scope="module", autouse=True)
def loans(client: Client) -> None:
    """A model of a number, a price that is a text, and a job; its target is `bought`."""
    jobs = ("skilled", "unskilled", "self-employed")
    prices = ("10.10", "10.50", "on request")
    rows = [f"{20 + n % 41}.0,{prices[n % 3]},{jobs[n % 3]},{'ny'[n % 2]}" for n in range(120)]
    csv = "\n".join(["income,price,job,bought", *rows])
    data = client.upload(csv, target="bought").json()["id"]
    train(client, post(client, dataset=data, model="bought", training=QUICK))


@pytest.fixture(scope="module", autouse=True)
def pictures(client: Client) -> None:
    """A model of 4 x 4 pixels, which were bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
    sink = io.BytesIO()
    np.savez(sink, x=noise, y=np.arange(60) % 2)
    files = {"file": ("images.npz", sink.getvalue())}
    data = client.post("/v1/datasets", files=files, data={"target": "y"}).json()["id"]
    train(client, post(client, dataset=data, model="pictures"))


def predict(client: Client, *instances: Any, model: str = "bought", **fields: Any) -> Any:
    answer = client.post(
        f"/v1/models/{model}/predict", json={"instances": list(instances), **fields}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_nothing_is_told_of_instances_like_those_of_training(client: Client) -> None:
    body = predict(client, ROW, [60, "10.10", "unskilled"])
    assert body["warnings"] == []
    assert body.keys() == {"predictions", "model", "version", "warnings"}


def test_what_is_met_is_counted_and_named(client: Client) -> None:
    body = predict(
        client, ROW, ROW | {"job": "Skiled", "income": 1e6}, ROW | {"job": "skiled", "price": None}
    )
    assert len(body["predictions"]) == 3
    told = {(w["code"], w["column"]): w for w in body["warnings"]}
    assert told.keys() == {
        ("far_outside", "income"),
        ("missing_filled", "price"),
        ("unknown_category", "job"),
    }
    job = told["unknown_category", "job"]
    assert job.keys() == {"code", "column", "message", "count", "first", "example"}
    assert (job["count"], job["first"], job["example"]) == (2, 1, "Skiled")
    assert "nearest: 'skilled'" in job["message"]
    assert told["far_outside", "income"]["example"] == 1e6
    assert "20 to 60" in told["far_outside", "income"]["message"]


def test_silence_only_when_asked(client: Client) -> None:
    strange = ROW | {"job": "astronaut", "income": -1e9}
    loud, silent = predict(client, strange), predict(client, strange, warnings=False)
    assert len(loud.pop("warnings")) == 2
    assert silent == loud


@pytest.mark.parametrize("value", ["false", 0, None, "none", []])
def test_only_a_boolean_silences(client: Client, value: Any) -> None:
    body = {"instances": [ROW], "warnings": value}
    answer = client.post("/v1/models/bought/predict", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, "warnings")


@pytest.mark.parametrize(
    "same",
    [
        {"income": "25.5"},
        {"income": " 2.55e1 "},
        {"price": 10.5},
        {"price": " 10.50"},
        {"bought": "y"},
        {"bought": None},
    ],
)
def test_the_same_row_written_otherwise_gets_the_same_answer(
    client: Client, same: dict[str, Any]
) -> None:
    assert predict(client, ROW | same) == predict(client, ROW)


def test_columns_that_are_not_read_are_ignored_when_asked(client: Client) -> None:
    extended = ROW | {"customer": 17, "incme": 3}
    answer = client.post("/v1/models/bought/predict", json={"instances": [extended]})
    assert (answer.status_code, answer.json()["param"]) == (422, "instances.0.customer")
    assert '"extra": "ignore"' in answer.json()["detail"]
    assert predict(client, extended, extra="ignore") == predict(client, ROW)
    body = {"instances": [ROW], "extra": "allow"}
    answer = client.post("/v1/models/bought/predict", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, "extra")


@pytest.mark.parametrize("text", ["old", "25,5,1", "twenty", "0x10", "1e999"])
def test_a_text_that_is_no_number_is_refused(client: Client, text: str) -> None:
    body = {"instances": [ROW, ROW | {"income": text}]}
    answer = client.post("/v1/models/bought/predict", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, "instances.1.income")
    assert repr(text) in answer.json()["detail"]


BRIGHT = np.full((4, 4), 200)


@pytest.mark.parametrize("pixels", [BRIGHT / 255, BRIGHT // 200, BRIGHT / 800])
def test_pixels_from_0_to_1_are_told_of(client: Client, pixels: np.ndarray) -> None:
    body = predict(client, BRIGHT.tolist(), pixels.tolist(), model="pictures")
    (warning,) = body["warnings"]
    assert (warning["code"], warning["count"], warning["first"]) == ("pixels_look_scaled", 1, 1)
    assert warning["example"] == pytest.approx(float(pixels.max()))


@pytest.mark.parametrize("pixels", [BRIGHT + 100, -BRIGHT, BRIGHT * 257, (BRIGHT - 201) / 255])
@pytest.mark.parametrize("warnings", [True, False])
def test_pixels_that_no_byte_holds_are_refused(
    client: Client, pixels: np.ndarray, warnings: bool
) -> None:
    body = {"instances": [BRIGHT.tolist(), {"image": pixels.tolist()}], "warnings": warnings}
    answer = client.post("/v1/models/pictures/predict", json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert (problem["code"], problem["param"]) == ("pixels_out_of_range", "instances.1.image")
