"""The Open Inference Protocol: tensors in every form, errors as its clients read them."""

import gzip
import json
import struct
import zlib
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from service.body_limit import JSON_BYTES
from tests.api.client import Client
from tests.api.kinds import npz, run, send, table
from tests.api.work import post, train

LENGTH = "Inference-Header-Content-Length"
PLACES = [[0.5, -0.25], [1.75, 1.5], [-0.125, 2.0]]
HOUSES: list[dict[str, Any]] = [
    {"area": 70.5, "rooms": 3, "town": "Ulm", "sold": "2024-03-01"},
    {"area": None, "rooms": 2, "town": "Nowhere", "sold": "2023-12-24"},
    {"area": 120.0, "rooms": 5, "town": None, "sold": None},
]
PIXELS = np.random.default_rng(1).integers(0, 256, (3, 1, 4, 4), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def models(client: Client) -> None:
    """`circle`, two classes that are whole numbers; `houses`, a regression on columns of every
    kind; `letters`, images of bytes.
    """
    train(client, post(client, dataset={"builtin": "circle"}, model="circle"))
    towns = ("Ulm", "Bonn", "Kiel")
    rows = [
        [50 + n % 37 + 0.5, 1 + n % 5, towns[n % 3], f"2024-{1 + n % 12:02}-{1 + n % 28:02}", n]
        for n in range(90)
    ]
    houses = send(client, table("area,rooms,town,sold,price", rows), target="price")
    run(client, houses, "houses", columns={"rooms": "numeric"})
    noise = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
    letters = send(
        client, npz(x=noise, y=np.array(["a", "b"])[np.arange(60) % 2]), "l.npz", target="y"
    )
    run(client, letters, "letters")


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


# Rows in


@pytest.mark.parametrize(
    ("datatype", "name"), [("FP64", "instances"), ("FP32", "x"), ("FP16", "x1")]
)
def test_a_matrix_of_any_name_is_the_rows(client: Client, datatype: str, name: str) -> None:
    expected = predicted(client, "circle", PLACES)
    same(infer(client, "circle", tensor(name, PLACES, datatype)), expected)
    nested = {**tensor(name, PLACES, datatype), "data": PLACES}
    same(infer(client, "circle", nested), expected)


def test_columns_by_name_are_the_rows(client: Client) -> None:
    expected = predicted(client, "circle", PLACES)
    first, second = (list(column) for column in zip(*PLACES, strict=True))
    columns = [tensor("x2", second, "FP32"), tensor("x1", [[x] for x in first], "FP64")]
    same(infer(client, "circle", *columns), expected)
    target = tensor("outside", ["0", "1", "?"], "BYTES")
    same(infer(client, "circle", *columns, target), expected)
    other = tensor("row", [1, 2, 3], "INT32")
    same(infer(client, "circle", *columns, other, parameters={"extra": "ignore"}), expected)


def test_whole_numbers_are_numbers(client: Client) -> None:
    expected = predicted(client, "circle", [[1, -2], [0, 3]])
    for datatype in ("INT8", "INT64"):
        same(infer(client, "circle", tensor("x", [[1, -2], [0, 3]], datatype)), expected)


def test_columns_of_every_kind(client: Client) -> None:
    expected = predicted(client, "houses", HOUSES)
    columns = {name: [house[name] for house in HOUSES] for name in HOUSES[0]}
    area = tensor("area", columns["area"], "FP64")
    rooms = tensor("rooms", columns["rooms"], "UINT8")
    town = tensor("town", ["Ulm", "Nowhere", "NA"], "BYTES")
    sold = tensor("sold", ["2024-03-01", "2023-12-24", ""], "BYTES")
    answer = infer(client, "houses", area, rooms, town, sold)
    same(answer, expected)
    assert [(o["name"], o["datatype"], o["shape"]) for o in answer["outputs"]] == [
        ("value", "FP64", [3])
    ]
    warnings = client.post("/v1/models/houses/predict", json={"instances": HOUSES}).json()
    assert answer["parameters"] == {"warnings": len(warnings["warnings"])}


def test_missing_cells_of_a_matrix(client: Client) -> None:
    rows = [[None, 0.5], [0.25, None]]
    expected = predicted(client, "circle", rows)
    given = {**tensor("x", [[0, 0], [0, 0]], "FP32"), "data": rows}
    answer = infer(client, "circle", given)
    same(answer, expected)
    assert answer["parameters"]["warnings"] == 2
    # As rapidjson writes a missing number, which is no JSON.
    content = json.dumps({"inputs": [given]}).replace("null", "NaN")
    assert client.post("/v2/models/circle/infer", content=content).json() == answer


@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (0, 2, 3, 1)])
def test_images_of_any_name(client: Client, layout: tuple[int, ...]) -> None:
    expected = predicted(client, "letters", PIXELS.tolist())
    for values, datatype in ((PIXELS, "UINT8"), (PIXELS, "FP32")):
        images = np.transpose(values, layout)
        same(infer(client, "letters", tensor("input", images, datatype)), expected)
    same(infer(client, "letters", tensor("input", PIXELS[:, 0], "UINT8")), expected)


# Bytes


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_bytes_both_ways(client: Client, dtype: str) -> None:
    matrix = np.array(PLACES, dtype=dtype)
    expected = predicted(client, "circle", PLACES)
    content = {
        "id": "seven",
        "inputs": [tensor("x", matrix, f"FP{8 * matrix.itemsize}", binary_data_size=matrix.nbytes)],
        "parameters": {"binary_data_output": True},
    }
    answer = client.post("/v2/models/circle/infer", **binary(content, matrix.tobytes()))
    head, parts = split(answer)
    assert (head["model_name"], head["model_version"], head["id"]) == ("circle", "1", "seven")
    assert (
        np.frombuffer(parts["probabilities"], "<f4").reshape(3, 2).tolist()
        == (expected["probabilities"])
    )
    assert np.frombuffer(parts["value"], "<i8").tolist() == expected["value"]
    labels = b"".join(struct.pack("<I", len(label)) + label.encode() for label in expected["label"])
    assert parts["label"] == labels


def test_bytes_and_json_side_by_side(client: Client) -> None:
    columns = {name: [house[name] for house in HOUSES] for name in HOUSES[0]}
    towns = b"".join(struct.pack("<I", len(town)) + town for town in (b"Ulm", b"Nowhere", b"null"))
    area = np.array([70.5, np.nan, 120.0]).tobytes()
    content = {
        "inputs": [
            tensor("town", ["", "", ""], "BYTES", binary_data_size=len(towns)),
            tensor("rooms", columns["rooms"], "INT16"),
            tensor("area", [0.0] * 3, "FP64", binary_data_size=len(area)),
            tensor("sold", ["2024-03-01", "2023-12-24", "?"], "BYTES"),
        ],
        "outputs": [{"name": "value", "parameters": {"binary_data": True}}],
    }
    answer = client.post("/v2/models/houses/infer", **binary(content, towns, area))
    _, parts = split(answer)
    assert np.frombuffer(parts["value"]).tolist() == predicted(client, "houses", HOUSES)["value"]


def test_compressed_both_ways(client: Client) -> None:
    rows = np.random.default_rng(2).uniform(-2, 2, (500, 2))
    content = {"inputs": [tensor("x", rows, "FP64", binary_data_size=rows.nbytes)]}
    plain = binary(content, rows.tobytes())
    expected = client.post("/v2/models/circle/infer", **plain)
    assert "content-encoding" not in expected.headers or expected.headers["content-encoding"]
    for coding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        headers = {**plain["headers"], "Content-Encoding": coding, "Accept-Encoding": coding}
        answer = client.post(
            "/v2/models/circle/infer", content=compress(plain["content"]), headers=headers
        )
        assert answer.headers["content-encoding"] == coding
        assert int(answer.headers["content-length"]) < len(answer.content)
        assert answer.json() == expected.json()
    same(expected.json(), predicted(client, "circle", rows.tolist()))


def test_a_bomb_is_refused(client: Client) -> None:
    answer = client.post(
        "/v2/models/circle/infer",
        content=gzip.compress(bytes(JSON_BYTES + 1)),
        headers={"Content-Encoding": "gzip"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["error"] == answer.json()["detail"]


# Outputs


def test_outputs_are_chosen_and_ordered(client: Client) -> None:
    matrix = tensor("x", PLACES, "FP32")
    answer = infer(client, "circle", matrix, outputs=[{"name": "value"}, {"name": "label"}], id="a")
    assert [output["name"] for output in answer["outputs"]] == ["value", "label"]
    assert answer["id"] == "a"
    assert "parameters" not in answer
    everything = infer(client, "circle", matrix)
    assert [
        (output["name"], output["datatype"], output["shape"]) for output in everything["outputs"]
    ] == [("label", "BYTES", [3]), ("probabilities", "FP32", [3, 2]), ("value", "INT64", [3])]
    assert "id" not in everything


@pytest.mark.parametrize("top", [1, 2, 9])
def test_the_most_probable_classes(client: Client, top: int) -> None:
    wanted = {"name": "probabilities", "parameters": {"classification": top}}
    answer = infer(client, "circle", tensor("x", PLACES, "FP64"), outputs=[wanted])
    (output,) = answer["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [3, min(top, 2)])
    expected = predicted(client, "circle", PLACES)["probabilities"]
    texts = iter(output["data"])
    for row in expected:
        for number in sorted(range(2), key=lambda n: -row[n])[:top]:
            probability, place, label = next(texts).split(":")
            assert (np.float32(probability), place, label) == (
                row[number],
                str(number),
                "01"[number],
            )


# Errors


@pytest.mark.parametrize(
    ("change", "param", "says"),
    [
        ({"inputs": []}, "inputs", "array of 1"),
        ({"inputs": [3]}, "inputs.0", "must be an object"),
        ({"inputs": [{"shape": [1], "datatype": "FP32"}]}, "inputs.0.name", "must be a text"),
        ({"inputs": [tensor("x", [[1, 2]], "BF16")]}, "inputs.0.datatype", "send FP32"),
        ({"inputs": [tensor("x", [[1, 2, 3]], "FP32")]}, "inputs.0.shape", "x1, x2"),
        ({"inputs": [tensor("x", [1, 2], "FP32")]}, "x", "does not know"),
        ({"inputs": [tensor("x", [[[1]]], "FP32")]}, "inputs.0.shape", "a column has shape"),
        ({"inputs": [tensor("x1", [1], "FP32")]}, "x2", "is not there"),
        ({"inputs": [tensor("x", [[True, True]], "BOOL")]}, "inputs.0.shape", "a column has"),
        ({"inputs": [{**tensor("x", [[1, 2]], "FP32"), "shape": [0, 2], "data": []}]},
         "inputs.0.shape", "no rows"),
        ({"inputs": [{**tensor("x", [[1, 2]], "FP32"), "shape": []}]}, "inputs.0.data", "needs 1"),
        ({"inputs": [{**tensor("x", [[1, 2]], "FP32"), "data": [1e300, 0]}]},
         "instances.0.x1", "finite"),
        ({"inputs": [tensor("x", [[1, 2]], "FP32")] * 2}, "inputs.1.name", "given twice"),
        ({"outputs": [{"name": "labels"}]}, "outputs.0.name", "there are label, probabilities"),
        ({"outputs": [{"name": "label"}] * 2}, "outputs.1.name", "asked for twice"),
        ({"outputs": [{"name": "label", "parameters": {"classification": 1}}]},
         "outputs.0.parameters.classification", "is for the output probabilities"),
        ({"parameters": {"mc_sample": 5}}, "parameters.mc_sample", "did you mean mc_samples?"),
        ({"parameters": {"mc_samples": 0.5}}, "parameters.mc_samples", "whole number"),
        ({"parameters": {"coverage": 1}}, "parameters.coverage", "below 1"),
        ({"parameters": {"calibrated": "yes"}}, "parameters.calibrated", "true or false"),
        ({"parameters": {"timeout": -1}}, "parameters.timeout", "whole number"),
        ({"parameters": {"extra": "allow"}}, "parameters.extra", "refuse or ignore"),
        ({"parameters": {"binary_data_output": 1}}, "parameters.binary_data_output", "true or"),
        ({"parameters": 1}, "parameters", "must be an object"),
        ({"id": 7}, "id", "must be a text"),
        ({"inputs": [tensor("x", [[1, 2]], "FP32", binary_data_size=8)]},
         "inputs.0.parameters.binary_data_size", LENGTH),
        ({"inputs": [tensor("x", [[1, 2]], "FP32", binary_data_size=True)]},
         "inputs.0.parameters.binary_data_size", "whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    client: Client, change: dict[str, Any], param: str, says: str
) -> None:
    content = {"inputs": [tensor("x", [[1, 2]], "FP32")], **change}
    answer = client.post("/v2/models/circle/infer", json=content)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["param"]) == (400, 400, param)
    assert says in problem["error"] == problem["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "headers", "says"),
    [
        (b"", {}, "not JSON"),
        (b"[1]", {}, "must be an object"),
        (b"{", {}, "not JSON"),
        (b"\xff", {}, "not UTF-8"),
        (b"{}", {LENGTH: "3"}, "must be the length"),
        (b"{}", {LENGTH: "-1"}, "must be the length"),
        (b"{}", {}, "inputs: must be"),
        (b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}ab',
         {LENGTH: "80"}, "leave 2 bytes"),
        (b"{}", {"Content-Encoding": "br"}, "gzip and deflate"),
        (b"{}", {"Content-Encoding": "gzip"}, "cannot be decompressed"),
        (b"[" * 100_000, {}, "nested"),
    ],
)  # fmt: skip
def test_a_body_that_is_none(
    client: Client, content: bytes, headers: dict[str, str], says: str
) -> None:
    answer = client.post("/v2/models/circle/infer", content=content, headers=headers)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    "content",
    [
        {"inputs": [tensor("x", [[1, 2]], "FP32", shared_memory_region="r")]},
        {"inputs": [tensor("x", [[1, 2]], "FP32")], "parameters": {"sequence_id": 3}},
    ],
)
def test_what_the_protocol_has_and_this_service_has_not(
    client: Client, content: dict[str, Any]
) -> None:
    answer = client.post("/v2/models/circle/infer", json=content)
    assert (answer.status_code, answer.json()["code"]) == (501, "unsupported")
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/nobody/infer", 404),
        ("POST", "/v2/models/circle/versions/7/infer", 404),
        ("POST", "/v2/models/circle/versions/staging/infer", 404),
        ("POST", "/v2/models/circle/versions/0123456789/infer", 400),
        ("POST", "/v2/models/circle/infer?top=1", 400),
        ("POST", "/v2/models/a%00b/infer", 400),
        ("GET", "/v2/models/nobody", 404),
        ("GET", "/v2/models/nobody/ready", 404),
        ("GET", "/v2/models/nobody/stats", 404),
        ("GET", "/v2/models/circle/versions/7/config", 404),
        ("POST", "/v2/repository/models/nobody/load", 404),
        ("POST", "/v2/repository/models/nobody/unload", 404),
        ("GET", "/v2/models/circle/infer", 405),
        ("POST", "/v2", 405),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/circle/trace/setting", 404),
    ],
)
def test_every_refusal_has_an_error(client: Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, content=b"{}" if method == "POST" else None)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["error"] == problem["detail"]
    assert problem["status"] == status


def test_a_body_that_is_announced_too_large(client: Client) -> None:
    headers = {"Content-Length": str(JSON_BYTES + 1)}
    answer = client.post("/v2/repository/index", content=b"", headers=headers)
    assert (answer.status_code, "error" in answer.json()) == (413, True)
    answer = client.post("/v2/models/circle/infer", content=bytes(JSON_BYTES + 1))
    assert (answer.status_code, "error" in answer.json()) == (413, True)
    assert "error" not in client.get("/v1/nothing").json()


def test_an_unforeseen_error_has_one_too(fresh: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(fresh.services.database, "read", fail)
    for answer in (fresh.get("/v2/models"), fresh.post("/v2/models/a/infer", content=b"{}")):
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert answer.json()["error"]


def test_hints_of_other_clients_change_nothing(client: Client) -> None:
    matrix = tensor("x", PLACES, "FP64")
    expected = infer(client, "circle", matrix)
    hints = {"priority": 1, "sequence_id": 0, "triton_grpc": 1, "content_type": "np"}
    given = {**matrix, "parameters": {"content_type": "np"}}
    fields = {"parameters": hints, "model_name": "circle", "outputs": []}
    assert infer(client, "circle", given, **fields) == expected


# Metadata, repository, statistics


def test_a_request_as_the_metadata_has_it(client: Client) -> None:
    for name in ("circle", "houses", "letters"):
        metadata = client.get(f"/v2/models/{name}").json()
        values = {"FP64": 1.0, "UINT8": 1, "BYTES": "Ulm"}
        inputs = []
        for given in metadata["inputs"]:
            shape = [2 if size == -1 else size for size in given["shape"]]
            value = "2024-05-31" if given["name"] == "sold" else values[given["datatype"]]
            inputs.append(tensor(given["name"], np.full(shape, value), given["datatype"]))
        answer = infer(client, name, *inputs)
        for told, output in zip(metadata["outputs"], answer["outputs"], strict=True):
            shape = [2 if size == -1 else size for size in told["shape"]]
            assert (output["name"], output["datatype"]) == (told["name"], told["datatype"])
            assert output["shape"] == shape
        assert metadata["versions"] == ["1"]
        assert (metadata.get("matrix_input") is None) == (name != "circle")
        config = client.get(f"/v2/models/{name}/versions/1/config").json()
        assert [one["name"] for one in config["input"]] == [one["name"] for one in inputs]
        assert [one["dims"] for one in config["output"]] == [
            one["shape"][1:] for one in metadata["outputs"]
        ]


def test_versions_by_number_and_alias(client: Client) -> None:
    client.put("/v1/models/circle/aliases/stable.1", json={"version": 1})
    matrix = tensor("x", PLACES, "FP64")
    expected = infer(client, "circle", matrix)
    for version in ("1", "stable.1"):
        assert infer(client, f"circle/versions/{version}", matrix) == expected
        path = f"/v2/models/circle/versions/{version}"
        assert client.get(f"{path}/ready").json() == {"name": "circle", "ready": True}
        assert client.get(path).json() == client.get("/v2/models/circle").json()


def test_health(client: Client, fresh: Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2").json()["name"] == "parsimony"
    assert client.get("/v2/models").json() == {"models": ["circle", "houses", "letters"]}
    assert fresh.get("/v2/models").json() == {"models": []}
    assert fresh.post("/v2/repository/index").json() == []


def test_unloaded_and_loaded_again(client: Client) -> None:
    def state() -> str:
        index = client.post("/v2/repository/index").json()
        (entry,) = [entry for entry in index if entry["name"] == "letters"]
        ready = client.post("/v2/repository/index", json={"ready": True}).json()
        assert (entry in ready) == (entry["state"] == "READY")
        return str(entry["state"])

    path, images = "/v2/repository/models/letters", tensor("x", PIXELS, "UINT8")
    expected = infer(client, "letters", images)
    assert state() == "READY"
    body = {"parameters": {"unload_dependents": False}}
    assert client.post(f"{path}/unload", json=body).status_code == 200
    assert state() == "UNAVAILABLE"
    assert all(r.name != "letters" for r in client.services.serving.residents())
    for answer in (
        client.get("/v2/models/letters/ready"),
        client.post("/v2/models/letters/infer", json={"inputs": [images]}),
    ):
        assert answer.status_code == 503
        assert "/load" in answer.json()["error"]
    assert client.post(f"{path}/load", json={"parameters": {"config": "{}"}}).status_code == 501
    assert client.post(f"{path}/load").status_code == 200
    assert state() == "READY"
    assert infer(client, "letters", images) == expected


def test_requests_are_counted(client: Client) -> None:
    def seen() -> Any:
        (stats,) = client.get("/v2/models/circle/versions/1/stats").json()["model_stats"]
        return stats

    before = seen()
    infer(client, "circle", tensor("x", PLACES, "FP32"))
    client.post("/v2/models/circle/infer", content=b"{}")
    after = seen()
    assert after["inference_count"] == before["inference_count"] + 3
    for kind in ("success", "fail"):
        told, was = after["inference_stats"][kind], before["inference_stats"][kind]
        assert told["count"] == was["count"] + 1
        assert told["ns"] > was["ns"]
    assert after["inference_stats"]["compute_input"]["ns"] > 0
    assert after["last_inference"] >= before["last_inference"]
    assert after in client.get("/v2/models/stats").json()["model_stats"]
    assert client.get("/v2/models/circle/stats").json() == {"model_stats": [after]}


def test_answers_are_as_documented(client: Client, document: dict[str, Any]) -> None:
    matrix = tensor("x", [[50.0, 1.0]], "FP64")
    asked = {
        "/v2": client.get("/v2"),
        "/v2/models": client.get("/v2/models"),
        "/v2/models/{name}": client.get("/v2/models/circle"),
        "/v2/models/{name}/ready": client.get("/v2/models/circle/ready"),
        "/v2/models/{name}/config": client.get("/v2/models/circle/config"),
        "/v2/models/{name}/stats": client.get("/v2/models/circle/stats"),
        "/v2/models/{name}/infer": client.post(
            "/v2/models/circle/infer", json={"id": "1", "inputs": [matrix]}
        ),
        "/v2/repository/index": client.post("/v2/repository/index"),
        "/v2/repository/models/{name}/load": client.post("/v2/repository/models/circle/load"),
    }
    for path, answer in asked.items():
        operation = document["paths"][path][answer.request.method.lower()]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
    schema = {"$ref": "#/components/schemas/InferenceProblem"}
    problem = client.get("/v2/models/nobody").json()
    jsonschema.validate(problem, {**schema, "components": document["components"]})
