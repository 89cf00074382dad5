"""What tests of kinds of problem do: upload, check, train, ask, and look at what was told."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.api.client import Client
from tests.api.work import train

Answer = dict[str, Any]
LINEAR = {
    "network": {"kind": "linear"},
    "training": {"epochs": 100, "optimizer": {"kind": "solver"}},
}
QUICK = {"training": {"epochs": 3}}


def send(client: Client, content: str | bytes, name: str = "data.csv", **form: str) -> Answer:
    """What an upload is answered."""
    data = content.encode() if isinstance(content, str) else content
    answer: Answer = client.post("/v1/datasets", files={"file": (name, data)}, data=form).json()
    return answer


def table(header: str, rows: Sequence[Sequence[object]], separator: str = ",") -> str:
    """A file: cells that hold the separator are quoted."""
    lines = [
        separator.join(f'"{cell}"' if separator in str(cell) else str(cell) for cell in row)
        for row in rows
    ]
    return "\n".join([header, *lines]) + "\n"


def check(client: Client, dataset: Answer, **job: Any) -> Answer:
    """What `validate` says of a job."""
    answer: Answer = client.post(
        "/v1/jobs/validate", json={"dataset": dataset["id"], **QUICK, **job}
    ).json()
    return answer


def run(client: Client, dataset: Answer | str, model: str | None = None, **job: Any) -> Answer:
    """A job at its end."""
    identifier = dataset if isinstance(dataset, str) else dataset["id"]
    body = {"dataset": identifier, "model": model, **QUICK, **job}
    if model is None:
        del body["model"]
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return train(client, answer.json()["id"])


def ask(client: Client, model: str, *instances: object, **fields: Any) -> Answer:
    """What a model answers."""
    body = {"instances": list(instances), **fields}
    answer: Answer = client.post(f"/v1/models/{model}/predict", json=body).json()
    return answer


def codes(answer: Answer, column: str | None = None) -> set[str]:
    """Findings of an upload or advice of a job, about one column or any."""
    told = answer.get("findings", answer.get("advice", []))
    return {one["code"] for one in told if column in (None, one["column"])}


def kinds(dataset: Answer) -> dict[str, str]:
    return {column["name"]: column["kind"] for column in dataset["columns"]}


def npz(**arrays: NDArray[Any]) -> bytes:
    """A file of arrays."""
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)
    return held.getvalue()
