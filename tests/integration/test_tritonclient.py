"""Unmodified `tritonclient[http]`, synchronous and asyncio, against a server on a socket."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from numpy.typing import NDArray

from tests.api.client import running
from tests.api.kinds import run, send, table
from tests.api.work import post, train
from tests.integration.served import serving
from worker.settings import ServiceSettings

pytestmark = pytest.mark.slow

ROWS = np.random.default_rng(0).uniform(-2.0, 2.0, (400, 2))
TOWNS = ["Ulm", "Bonn", "", "Atlantis"]
DAYS = ["2024-03-01", "2023-12-24", "2024-01-01", ""]
AREAS = [70.5, np.nan, 120.25, 50.0]
Prediction = dict[str, Any]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with models that were trained by jobs: two classes that are whole numbers, and a
    regression on columns of three kinds.
    """
    settings = ServiceSettings(state=tmp_path_factory.mktemp("state"))
    with running(settings) as client:
        train(client, post(client, dataset={"builtin": "circle"}, model="circle"))
        rows = [
            [50 + n % 37 + 0.5, ("Ulm", "Bonn", "Kiel")[n % 3], f"2024-03-{1 + n % 28:02}", n]
            for n in range(90)
        ]
        run(client, send(client, table("area,town,sold,price", rows), target="price"), "houses")
    with serving(settings) as at:
        yield at.removeprefix("http://")


@pytest.fixture(scope="module")
def predict(address: str) -> Callable[[str, list[Any]], list[Prediction]]:
    """What `/v1` answers."""

    def ask(model: str, instances: list[Any]) -> list[Prediction]:
        path = f"http://{address}/v1/models/{model}/predict"
        answer = httpx.post(path, json={"instances": instances}, timeout=30)
        assert answer.status_code == 200, answer.text
        predictions: list[Prediction] = answer.json()["predictions"]
        return predictions

    return ask


@pytest.fixture(params=["sync", "asyncio"])
def ask(address: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Calls a method of the synchronous client, or of the other one."""
    if request.param == "sync":
        with triton.InferenceServerClient(address) as client:
            yield lambda method, *args, **options: getattr(client, method)(*args, **options)
        return
    with asyncio.Runner() as runner:

        async def started() -> Any:
            return triton_aio.InferenceServerClient(address)

        client = runner.run(started())

        def call(method: str, *args: Any, **options: Any) -> Any:
            async def called() -> Any:
                answer: Awaitable[Any] = getattr(client, method)(*args, **options)
                return await answer

            return runner.run(called())

        yield call
        runner.run(client.close())


def given(name: str, values: NDArray[Any], *, binary: bool = True) -> triton.InferInput:
    kinds = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "object": "BYTES"}
    tensor = triton.InferInput(name, list(values.shape), kinds[values.dtype.name])
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def texts(result: triton.InferResult, name: str) -> list[str]:
    """A tensor of BYTES; the client gives bytes of those that came as such, and else texts."""
    elements = result.as_numpy(name).reshape(-1).tolist()
    return [text.decode() if isinstance(text, bytes) else text for text in elements]


def same(result: triton.InferResult, predictions: list[Prediction]) -> None:
    """The tensors are what `/v1` answers, to the bit."""
    assert texts(result, "label") == [one["label"] for one in predictions]
    probabilities = result.as_numpy("probabilities")
    assert probabilities.dtype == np.float32
    expected = np.array([list(one["probabilities"].values()) for one in predictions])
    assert probabilities.tobytes() == expected.astype(np.float32).tobytes()
    assert result.as_numpy("value").tolist() == [one["value"] for one in predictions]


def test_health_and_metadata(ask: Callable[..., Any]) -> None:
    assert ask("is_server_live")
    assert ask("is_server_ready")
    assert ask("is_model_ready", "circle")
    assert ask("is_model_ready", "circle", "1")
    assert not ask("is_model_ready", "circle", "2")
    assert not ask("is_model_ready", "nobody")
    server = ask("get_server_metadata")
    assert server["name"] == "parsimony"
    assert {"binary_tensor_data", "model_repository", "statistics"} <= set(server["extensions"])
    metadata = ask("get_model_metadata", "houses")
    assert [(one["name"], one["datatype"], one["shape"]) for one in metadata["inputs"]] == [
        ("area", "FP64", [-1, 1]),
        ("town", "BYTES", [-1, 1]),
        ("sold", "BYTES", [-1, 1]),
    ]
    assert metadata["outputs"] == [{"name": "value", "datatype": "FP64", "shape": [-1]}]
    config = ask("get_model_config", "circle", "1")
    assert [one["data_type"] for one in config["output"]] == [
        "TYPE_STRING",
        "TYPE_FP32",
        "TYPE_INT64",
    ]


@pytest.mark.parametrize("response", [None, "gzip", "deflate"])
@pytest.mark.parametrize("request_", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_a_matrix(
    ask: Callable[..., Any],
    predict: Callable[..., list[Prediction]],
    binary: bool,
    request_: str | None,
    response: str | None,
) -> None:
    rows = ROWS.astype(np.float32)
    wanted = [
        triton.InferRequestedOutput(name, binary_data=binary)
        for name in ("value", "probabilities", "label")
    ]
    result = ask(
        "infer",
        "circle",
        [given("input__0", rows, binary=binary)],
        outputs=wanted,
        request_id="r-1",
        request_compression_algorithm=request_,
        response_compression_algorithm=response,
    )
    same(result, predict("circle", rows.astype(np.float64).tolist()))
    told = result.get_response()
    assert (told["model_name"], told["model_version"], told["id"]) == ("circle", "1", "r-1")
    assert [output["name"] for output in told["outputs"]] == ["value", "probabilities", "label"]
    assert all(("data" in output) != binary for output in told["outputs"])


def test_defaults_are_bytes_both_ways(
    ask: Callable[..., Any], predict: Callable[..., list[Prediction]]
) -> None:
    result = ask("infer", "circle", [given("x", ROWS)], model_version="1")
    same(result, predict("circle", ROWS.tolist()))
    assert all("data" not in output for output in result.get_response()["outputs"])


@pytest.mark.parametrize("binary", [True, False])
def test_columns_of_every_kind(
    ask: Callable[..., Any], predict: Callable[..., list[Prediction]], binary: bool
) -> None:
    columns = {"area": np.array(AREAS), "town": np.array(TOWNS, dtype=object)}
    days = np.array([day.encode() for day in DAYS], dtype=object)[:, None]
    inputs = [given(name, values, binary=binary) for name, values in columns.items()]
    inputs.append(given("sold", days, binary=binary))
    result = ask("infer", "houses", inputs, parameters={"extra": "refuse"}, timeout=30_000_000)
    instances = [
        {"area": None if area != area else area, "town": town, "sold": day}
        for area, town, day in zip(AREAS, TOWNS, DAYS, strict=True)
    ]
    expected = np.array([one["value"] for one in predict("houses", instances)])
    assert result.as_numpy("value").tobytes() == expected.tobytes()
    assert result.get_response()["parameters"]["warnings"] >= 3


@pytest.mark.parametrize("binary", [True, False])
def test_the_most_probable_classes(ask: Callable[..., Any], binary: bool) -> None:
    top = triton.InferRequestedOutput("probabilities", class_count=1, binary_data=binary)
    label = triton.InferRequestedOutput("label", binary_data=binary)
    result = ask("infer", "circle", [given("x", ROWS)], outputs=[top, label])
    assert result.as_numpy("probabilities").shape == (len(ROWS), 1)
    named = [text.split(":") for text in texts(result, "probabilities")]
    assert [label for _, _, label in named] == texts(result, "label")
    assert all(0.5 <= float(probability) <= 1.0 for probability, _, _ in named)


def test_repository_and_statistics(ask: Callable[..., Any]) -> None:
    ask("load_model", "houses")
    index = {(one["name"], one["version"]): one for one in ask("get_model_repository_index")}
    assert index["houses", "1"]["state"] == "READY"
    ask("unload_model", "houses")
    assert not ask("is_model_ready", "houses")
    index = {(one["name"], one["version"]): one for one in ask("get_model_repository_index")}
    assert index["houses", "1"]["state"] == "UNAVAILABLE"
    ask("load_model", "houses")
    assert ask("is_model_ready", "houses")
    ask("infer", "circle", [given("x", ROWS)])
    (told,) = ask("get_inference_statistics", "circle")["model_stats"]
    assert told["inference_count"] >= len(ROWS)
    assert told["inference_stats"]["success"]["count"] >= 1
    (told,) = ask("get_inference_statistics", "circle", "1")["model_stats"]
    assert told["version"] == "1"
    assert {"circle", "houses"} <= {
        one["name"] for one in ask("get_inference_statistics")["model_stats"]
    }


def test_errors_are_read(ask: Callable[..., Any]) -> None:
    def refused(method: str, *args: Any, **options: Any) -> tuple[str, str]:
        with pytest.raises(triton.InferenceServerException) as caught:
            ask(method, *args, **options)
        return caught.value.status(), caught.value.message()

    three = given("x", np.zeros((1, 3)))
    assert refused("infer", "circle", [three]) == (
        "400",
        "inputs.0.shape: has 3 columns; the model takes 2, in this order: x1, x2",
    )
    status, message = refused("infer", "nobody", [three])
    assert (status, "no model 'nobody'" in message) == ("404", True)
    status, message = refused("infer", "circle", [three], model_version="9")
    assert (status, "no version 9" in message) == ("404", True)
    wanted = [triton.InferRequestedOutput("logits")]
    status, message = refused("infer", "circle", [given("x", ROWS)], outputs=wanted)
    assert (status, "there are label, probabilities, value" in message) == ("400", True)
    status, message = refused("infer", "circle", [given("x", ROWS)], parameters={"mc_smaples": 9})
    assert (status, "did you mean mc_samples?" in message) == ("400", True)
    status, message = refused("infer", "circle", [given("x", ROWS)], sequence_id=7)
    assert (status, "no sequences" in message) == ("501", True)
    status, message = refused("load_model", "circle", config="{}")
    assert (status, "config" in message) == ("501", True)
    status, message = refused("get_model_metadata", "nobody")
    assert (status, "no model 'nobody'" in message) == ("404", True)
    status, message = refused("get_trace_settings", "circle")
    assert (status, "No operation at" in message) == ("404", True)


def test_requests_side_by_side(address: str, predict: Callable[..., list[Prediction]]) -> None:
    expected = predict("circle", ROWS.tolist())
    with triton.InferenceServerClient(address, concurrency=8) as client:
        waiting = [client.async_infer("circle", [given("x", ROWS[n : n + 5])]) for n in range(20)]
        for first, result in enumerate(waiting):
            same(result.get_result(), expected[first : first + 5])
