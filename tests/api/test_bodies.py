"""What no body may hold is said by one rule, wherever it stands: numbers, texts, depth, names."""

import gzip
import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.body_limit import JSON_BYTES
from tests.api.client import Client
from tests.api.work import post, train

JSON = {"Content-Type": "application/json"}
IRIS: dict[str, Any] = {"dataset": {"builtin": "iris"}}
JOBS = ("/v1/jobs", "/v1/jobs/validate")
HALF = "\ud800"


def problem(client: Client, url: str, body: Any, status: int = 422) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(url, content=content, headers=JSON)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    return told


def searched(values: list[Any], path: str = "regularization.l1.strength") -> dict[str, Any]:
    return {"search": {"trials": 2, "space": {path: {"values": values}}}}


@pytest.fixture(scope="module")
def model(client: Client) -> str:
    assert train(client, post(client, model="kept"))["state"] == "succeeded"
    return "/v1/models/kept/predict"


@pytest.mark.parametrize("url", JOBS)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (
            {"training": {"schedule": {"kind": "step", "every": 10**100}}},
            "training.schedule.every",
        ),
        (
            {"training": {"schedule": {"kind": "cosine", "first_period": 2**64}}},
            "training.schedule.first_period",
        ),
        (
            {"training": {"schedule": {"kind": "warmup", "epochs": -(2**63) - 1}}},
            "training.schedule.epochs",
        ),
        (searched([0.1, 10**30]), "search.space.regularization.l1.strength.values.1"),
        ({"repeats": int("9" * 4000)}, "repeats"),
    ],
)
def test_a_whole_number_beyond_64_bits_is_named(
    client: Client, url: str, fields: dict[str, Any], param: str
) -> None:
    told = problem(client, url, {**IRIS, **fields})
    assert (told["code"], told["param"]) == ("invalid_number", param)
    assert "2^64 - 1" in told["detail"]
    assert len(told["detail"]) < 300


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"dataset":{"builtin":"iris"},"name":"a","name":"b"}', "name"),
        (
            b'{"dataset":{"builtin":"iris"},"compare":[{"name":"a","training":{"epochs":3,"epochs":4}}]}',
            "compare.0.training.epochs",
        ),
    ],
)
def test_a_member_that_stands_twice_is_named(client: Client, body: bytes, param: str) -> None:
    told = problem(client, "/v1/jobs", body)
    assert (told["code"], told["param"]) == ("repeated_member", param)
    assert "leave one of them out" in told["detail"]


def test_whole_numbers_of_64_bits_are_numbers_as_any(client: Client, model: str) -> None:
    schedule = {"kind": "step", "every": 2**64 - 1}
    answer = client.post("/v1/jobs", json={**IRIS, "training": {"schedule": schedule}})
    assert answer.status_code == 202
    assert client.get(f"/v1/jobs/{answer.json()['id']}").status_code == 200
    assert client.post(model, json={"instances": [[2**63, -(2**63), 1, 1]]}).status_code == 200


def test_a_number_without_end_is_refused_with_its_length(client: Client, model: str) -> None:
    for digits in (b"1" * 1_000_000, b"0." + b"1" * 1_000_000, b"1e" + b"0" * 1_000_000):
        told = problem(client, model, b'{"instances":[[1,1,' + digits + b",1]]}")
        assert (told["code"], told["param"]) == ("invalid_number", "instances.0.2")
        assert len(told["detail"]) < 300


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (searched([1], f"regularization.{HALF}"), r"search.space.regularization.\ud800"),
        (searched([HALF]), "search.space.regularization.l1.strength.values.0"),
        (
            {"regularization": {"class_weights": {"weights": {HALF: 1.0}}}},
            r"regularization.class_weights.weights.\ud800",
        ),
        ({HALF: 1}, r"\ud800"),
        ({"name": f"a{HALF}"}, "name"),
        ({"name": "a\0"}, "name"),
        ({"compare": [{"name": "\0"}]}, "compare.0.name"),
        ({"target": "\udfff"}, "target"),
    ],
)
@pytest.mark.parametrize("url", JOBS)
def test_a_text_that_could_not_be_kept_is_named(
    client: Client, url: str, fields: dict[str, Any], param: str
) -> None:
    told = problem(client, url, {**IRIS, **fields})
    assert (told["code"], told["param"]) == ("invalid_text", param)


def test_a_column_that_could_not_be_written_is_named(client: Client, model: str) -> None:
    told = problem(client, model, {"instances": [{HALF: 1}]})
    assert (told["code"], told["param"]) == ("invalid_text", r"instances.0.\ud800")


def test_a_whole_character_of_two_halves_is_a_character(client: Client) -> None:
    body = b'{"dataset":{"builtin":"iris"},"name":"\\ud83d\\ude00 \\\\ud800"}'
    answer = client.post("/v1/jobs", content=body, headers=JSON)
    assert answer.status_code == 202
    assert answer.json()["name"] == "😀 \\ud800"


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        ('{"name": "ü"}'.encode("latin-1"), "not_utf8", "byte 0xfc at position 10"),
        ("{}".encode("utf-16"), "not_utf8", "UTF-8"),
        (b"[" * 100_000, "too_deep", "64 deep"),
        (b'{"dataset":' + b"[" * 64 + b"]" * 64 + b"}", "too_deep", "64 deep"),
        (
            json.dumps({str(n): 0 for n in range(20_001)}).encode(),
            "too_many_members",
            "20,001 members",
        ),
        (b"\x1f\x8b\x08", "not_utf8", "0x8b"),
        (b"{]", "malformed_request", "character 1"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(
    client: Client, content: bytes, code: str, says: str
) -> None:
    for url in (*JOBS, "/v1/models/none/predict"):
        told = problem(client, url, content, status=400)
        assert told["code"] == code
        assert says in told["detail"]


def test_a_byte_order_mark_is_skipped(client: Client) -> None:
    content = b"\xef\xbb\xbf" + json.dumps(IRIS).encode()
    assert client.post("/v1/jobs", content=content, headers=JSON).status_code == 202


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_read(client: Client, model: str, coding: str, pack: Any) -> None:
    headers = {**JSON, "Content-Encoding": coding}

    def sent(url: str, content: bytes, coded: str = coding) -> tuple[int, Any]:
        answer = client.post(url, content=content, headers={**headers, "Content-Encoding": coded})
        return answer.status_code, answer.json()

    rows = {"instances": [[5.1, 3.5, 1.4, 0.2]] * 2000}
    expected = client.post(model, json=rows).json()
    assert sent(model, pack(json.dumps(rows).encode())) == (200, expected)
    answer = client.post(model, json=rows, headers={"Accept-Encoding": coding})
    assert (answer.headers["content-encoding"], answer.json()) == (coding, expected)
    plain = client.post(model, json=rows, headers={"Accept-Encoding": "identity"})
    assert ("content-encoding" in plain.headers, plain.json()) == (False, expected)
    assert sent("/v1/jobs", pack(json.dumps(IRIS).encode()))[0] == 202
    assert sent("/v1/jobs", pack(b""))[1]["param"] is None
    status, told = sent("/v1/jobs", pack(json.dumps(IRIS).encode())[:-6])
    assert (status, told["code"]) == (400, "damaged_body")
    status, told = sent("/v1/jobs", pack(b" " * (JSON_BYTES + 1)))
    assert (status, told["code"]) == (413, "too_large")
    status, told = sent("/v1/jobs", b"{}", "br")
    assert (status, told["code"]) == (415, "unsupported_content_encoding")
    assert sent("/v1/jobs", json.dumps(IRIS).encode(), "identity")[0] == 202


def test_a_compressed_form_is_asked_for_as_it_is(client: Client) -> None:
    files = {"file": ("data.csv", b"x,y\n1,2\n")}
    answer = client.post("/v1/datasets", files=files, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_content_encoding")
    assert "without the header Content-Encoding" in answer.json()["detail"]


def test_twenty_fields_are_listed_and_the_others_counted(client: Client) -> None:
    told = problem(client, "/v1/jobs", {**IRIS, **{f"name{n}": 1 for n in range(5_000)}})
    assert len(told["errors"]) == 20
    assert told["more"] == 4_980
    assert "4,999 more" in told["detail"]
    assert "did you mean name?" in told["errors"][0]["message"]
    assert "more" not in problem(client, "/v1/jobs", {**IRIS, "name1": 1, "name2": 1})


def test_of_a_list_the_first_wrong_item_is_named(client: Client) -> None:
    told = problem(client, "/v1/models/none/predict", {"instances": [{}, 1, 2, "x"]})
    assert [error["param"] for error in told["errors"]] == ["instances.1"]


@pytest.mark.parametrize("character", ["\x1b", "\n", "\x7f", "\x9b", "\u2028", "\u202e"])
def test_a_control_character_is_in_no_name(client: Client, character: str) -> None:
    """Data sets, columns, categories, classes, jobs, configurations, models."""
    name, code = f"a{character}b", f"U+{ord(character):04X}"
    cells = [
        client.upload(f'"{name}",y\n1,2\n'),
        client.upload(f'x,y\n"{name}",2\nb,1\n'),
        _upload(client, "a.parquet", _parquet({"x": [name, "b"]})),
    ]
    refused = [
        client.post("/v1/jobs", json={**IRIS, "name": name}),
        client.post("/v1/jobs", json={**IRIS, "compare": [{"name": name}]}),
        client.post("/v1/jobs", json={**IRIS, "model": name}),
        client.upload("x,y\n1,2\n", name=name),
        _upload(client, "a.parquet", _parquet({name: [1, 2]})),
        _upload(client, "a.npz", _npz(np.array([name, "b"]))),
        _upload(client, "a.zip", _zip(f"{name}/1.png")),
    ]
    if character in "\n\u2028":  # A line break in a cell, as spreadsheets have them: a blank.
        for answer in cells:
            assert answer.status_code == 201, answer.text
            assert "a b" in answer.text
    else:
        refused += cells
    for answer in refused:
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "invalid_name", answer.text
        assert character not in answer.text
        assert code in answer.text or "pattern" in answer.text
    allowed = client.upload("größe (m²),日本\n1,2\n", name="Ångström 😀")
    assert allowed.status_code == 201


def test_what_an_answer_repeats_can_be_printed(client: Client) -> None:
    told = problem(client, "/v1/jobs", {**IRIS, "a\x1b[31m\x9b": 1})
    assert told["param"] == r"a\u001b[31m\u009b"
    for url in ("/v1/jobs/%1b%9b", "/v1/nothing/%1b", "/v1/models/%c2%9b", "/v1/jobs?state=%1b"):
        answer = client.get(url).json()
        assert answer["detail"].isprintable(), url


def test_no_answer_speaks_of_what_the_service_is_made_of(client: Client) -> None:
    long_header = b"{'a':" + b" " * 65_530
    answers = [
        client.upload("a,b,c"),
        client.upload('"a\nb'),
        client.post("/v1/datasets", data={"file": "x"}, files={"other": ("a", b"b")}),
        client.post(
            "/v1/datasets",
            content=b"junk",
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        ),
        _upload(client, "a.npz", _zip("x.npy", b"\x93NUMPY\x02\0\xff\xff\0\0" + long_header)),
        _upload(client, "a.npz", _zip("x.npy", b"\x93NUMPY\x01\0\x76\0{'descr': f()}".ljust(128))),
        _upload(client, "a.parquet", b"PAR1junkPAR1"),
        _upload(client, "a.zip", b"PK\x03\x04junk"),
        client.get(f"/v1/jobs?limit={'9' * 5000}"),
    ]
    for answer in answers:
        assert answer.status_code in (400, 422), answer.text
        for phrase in ("straddling", "UploadFile", "pickle", "0x", "thrift", "parsing", "ast."):
            assert phrase not in answer.text, answer.text


def test_text_of_a_file_that_is_no_unicode_is_refused(client: Client) -> None:
    labels = np.array(["a", "b"])
    labels.view(np.uint32)[0] = 0x110005
    offsets = pa.array([0, 1, 3], pa.int32()).buffers()[1]
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xff\xfea")])
    for name, content in (("a.npz", _npz(labels)), ("a.parquet", _parquet({"x": broken}))):
        answer = _upload(client, name, content)
        assert (answer.status_code, answer.json()["code"]) == (422, "not_utf8"), answer.text
    answer = _upload(client, "a.npz", _npz(np.array(["\ud800", "b"])))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_name"), answer.text


def _upload(client: Client, name: str, content: bytes) -> Any:
    return client.post("/v1/datasets", files={"file": (name, content)})


def _npz(labels: Any) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, x=np.zeros((len(labels), 1)), y=labels)
    return sink.getvalue()


def _parquet(columns: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({**columns, "z": [1, 2]}), sink)
    return sink.getvalue()


def _zip(path: str, content: bytes = b"x") -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(path, content)
        if path.endswith(".npy"):
            archive.writestr("y.npy", content)
    return sink.getvalue()
