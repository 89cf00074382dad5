"""Requests of the Open Inference Protocol, and what their answers are held against."""

import json
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.api.client import Client

LENGTH = "Inference-Header-Content-Length"
PLACES = [[0.5, -0.25], [1.75, 1.5], [-0.125, 2.0]]
"""Rows of `circle`, that every type of floats holds."""


def tensor(
    name: str, values: NDArray[Any] | list[Any], datatype: str, **parameters: Any
) -> dict[str, Any]:
    array = np.asarray(values)
    content = {"name": name, "shape": list(array.shape), "datatype": datatype}
    if parameters:
        return {**content, "parameters": parameters}
    return {**content, "data": array.reshape(-1).tolist()}


def infer(client: Client, model: str, *inputs: dict[str, Any], **fields: Any) -> Any:
    answer = client.post(f"/v2/models/{model}/infer", json={"inputs": list(inputs), **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def outputs(answer: Any) -> dict[str, Any]:
    return {
        output["name"]: np.array(output["data"]).reshape(output["shape"]).tolist()
        for output in answer["outputs"]
    }


def predicted(client: Client, model: str, instances: Any, **fields: Any) -> dict[str, Any]:
    """What `/v1` answers, as the outputs would be."""
    answer = client.post(f"/v1/models/{model}/predict", json={"instances": instances, **fields})
    assert answer.status_code == 200, answer.text
    rows = answer.json()["predictions"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    if "probabilities" in columns:
        columns["probabilities"] = [list(row.values()) for row in columns["probabilities"]]
    return columns


def same(answer: Any, expected: dict[str, Any]) -> None:
    """The answers of `/v1`, to the bit of the tensor's type."""
    given = outputs(answer)
    assert given.keys() == expected.keys()
    for name, values in expected.items():
        if name == "probabilities":
            given[name] = np.array(given[name], dtype=np.float32).tolist()
        assert given[name] == values, name


def binary(content: dict[str, Any], *parts: bytes, **headers: str) -> dict[str, Any]:
    """A request with tensors as bytes behind the JSON part."""
    head = json.dumps(content).encode()
    body = b"".join([head, *parts])
    return {"content": body, "headers": {LENGTH: str(len(head)), **headers}}


def split(answer: httpx.Response) -> tuple[Any, dict[str, bytes]]:
    """The JSON part of an answer, and the bytes of its outputs."""
    size = int(answer.headers[LENGTH])
    head = json.loads(answer.content[:size])
    parts, start = {}, size
    for output in head["outputs"]:
        length = output.get("parameters", {}).get("binary_data_size")
        if length is not None:
            parts[output["name"]] = answer.content[start : start + length]
            start += length
    assert start == len(answer.content)
    return head, parts
