"""Data sets over HTTP."""

from collections.abc import AsyncIterator
from io import BytesIO

import numpy as np
import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post

JOBS = ["skilled", "unskilled"]
CSV = "age,job,class\n41,skilled,good\n,unskilled,bad\n29,NA,good\n53,skilled,bad\n"


def test_an_upload_is_typed_by_its_cells_and_read_back(client: Client) -> None:
    answer = client.upload(CSV, name="credit", target="class")
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/v1/datasets/{made['id']}"
    assert made["object"] == "dataset"
    assert (made["name"], made["target"], made["rows"]) == ("credit", "class", 4)
    age, job, label = made["columns"]
    assert age == {
        "name": "age",
        "kind": "numeric",
        "sample": [41, 29, 53],
        "missing": 1,
        "distinct": 3,
        "minimum": 29,
        "mean": 41,
        "maximum": 53,
        "histogram": [1, *[0] * 7, 1, *[0] * 6, 1],
        "commonest": [],
        "categories": [],
        "categories_count": 0,
        "shape": [],
    }
    assert job == {
        "name": "job",
        "kind": "categorical",
        "sample": ["skilled", "unskilled", "skilled"],
        "missing": 1,
        "distinct": 2,
        "minimum": None,
        "mean": None,
        "maximum": None,
        "histogram": [],
        "commonest": [
            {"id": 1, "value": "skilled", "count": 2},
            {"id": 2, "value": "unskilled", "count": 1},
        ],
        "categories": ["skilled", "unskilled"],
        "categories_count": 2,
        "shape": [],
    }
    assert label["categories"] == ["bad", "good"]
    assert made["columns_count"] == 3
    assert client.get(answer.headers["location"]).json() == made


def test_many_categories_and_columns_are_given_on_request_alone(client: Client) -> None:
    names = [f"{number:05} {'long ' * 40}" for number in range(3000)]
    header = ",".join(f"c{number}" for number in range(1, 30))
    rows = [f"{name},{','.join('1' * 29)}" for name in names]
    made = client.upload("\n".join([f"street,{header}", *rows])).json()
    street = made["columns"][0]
    assert (street["categories_count"], len(street["categories"])) == (3000, 20)
    assert street["categories"][1] == f"{names[1][:99]}…"
    path = f"/v1/datasets/{made['id']}"
    assert client.get(path).json() == made
    assert (made["columns_count"], len(made["columns"])) == (30, 30)
    whole = client.get(path, params={"include": "categories"}).json()
    assert whole["columns"][0] == {**street, "categories": [name.strip() for name in names]}
    listed = client.get("/v1/datasets", params={"limit": 1})
    (row,) = listed.json()["data"]
    assert (row["columns_count"], len(row["columns"])) == (30, 5)
    assert row["columns"][0] == {
        "name": "street",
        "kind": "categorical",
        "missing": 0,
        "categories": [f"{name[:29]}…" for name in names[:3]],
        "categories_count": 3000,
    }
    assert row["id"] == made["id"]
    assert len(listed.content) < 4_000
    assert client.get(path, params={"include": "rows"}).status_code == 422


def test_without_a_name_the_file_names_it(client: Client) -> None:
    assert client.upload(CSV).json()["name"] == "data"


@pytest.mark.parametrize(
    ("csv", "code", "says"),
    [
        ("a,b\n1,2\n3\n", "ragged_rows", "Line 3"),
        ("a,b\n1,inf\n", "not_finite", "line 2"),
        ("a,a\n1,2\n", "duplicate_column", "'a'"),
        ("a,b\n", "no_rows", "no rows"),
        ("", "empty_file", "empty"),
    ],
)
def test_a_file_that_is_no_table_is_refused(client: Client, csv: str, code: str, says: str) -> None:
    answer = client.upload(csv)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert says.lower() in problem["detail"].lower()


def test_a_target_that_is_not_there_is_refused_with_what_is_near(client: Client) -> None:
    problem = client.upload(CSV, target="clas").json()
    assert (problem["status"], problem["param"]) == (422, "target")
    assert "class" in problem["detail"]


def test_a_form_without_a_file_is_refused(client: Client) -> None:
    answer = client.post("/v1/datasets", files={"name": (None, "x")})
    assert (answer.status_code, answer.json()["param"]) == (422, "file")


def test_a_file_above_the_limit_is_refused(fresh: Client) -> None:
    answer = fresh.upload("a,b\n" + "1,2\n" * 2000)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert "4,096" in answer.json()["detail"]
    assert fresh.get("/v1/datasets").json()["data"] == []


def test_a_body_far_above_the_limit_is_not_read(fresh: Client) -> None:
    answer = fresh.upload("1" * 3_000_000)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_of_unannounced_length_is_cut_off(fresh: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'
        for _ in range(64):
            yield b"1" * 65_536

    answer = fresh.post(
        "/v1/datasets",
        content=endless(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_pages_hold_every_data_set_once(fresh: Client) -> None:
    made = [fresh.upload(CSV, name=str(n)).json()["id"] for n in range(5)]
    seen: list[str] = []
    page = fresh.get("/v1/datasets", params={"limit": 2}).json()
    while True:
        assert page["object"] == "list"
        seen += [row["id"] for row in page["data"]]
        if not page["has_more"]:
            break
        page = fresh.get("/v1/datasets", params={"limit": 2, "after": seen[-1]}).json()
    assert seen == made[::-1]


def test_a_deleted_data_set_is_gone(client: Client) -> None:
    made = client.upload(CSV, target="class").json()["id"]
    assert client.delete(f"/v1/datasets/{made}").status_code == 204
    assert client.get(f"/v1/datasets/{made}").status_code == 404
    assert client.delete(f"/v1/datasets/{made}").json()["code"] == "not_found"
    answer = client.post("/v1/jobs", json={"dataset": made})
    assert (answer.status_code, answer.json()["param"]) == (422, "dataset")


def test_a_data_set_in_use_is_kept(client: Client) -> None:
    rows = "".join(f"{n},{'ab'[n % 2]}\n" for n in range(40))
    made = client.upload(f"x,y\n{rows}", target="y").json()["id"]
    job = post(client, dataset=made, training=QUICK)
    answer = client.delete(f"/v1/datasets/{made}")
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_in_use")
    client.post(f"/v1/jobs/{job}/cancel")
    assert client.delete(f"/v1/datasets/{made}").status_code == 204


def test_arrays_are_read_with_the_target_and_the_shape_that_they_have(client: Client) -> None:
    sink = BytesIO()
    images = np.random.default_rng(0).integers(0, 256, size=(20, 4, 5)).astype(np.uint8)
    np.savez(sink, x=images, y=np.arange(20) % 2)
    answer = client.post("/v1/datasets", files={"file": ("images.npz", sink.getvalue())})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["target"], made["rows"]) == ("images", "y", 20)
    assert [column["kind"] for column in made["columns"]] == ["image", "numeric"]
    assert made["columns"][0]["shape"] == [1, 4, 5]


def test_a_pickle_is_refused(client: Client) -> None:
    answer = client.post("/v1/datasets", files={"file": ("model.pkl", b"\x80\x04K\x01.")})
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_format")
    assert "pickled" in answer.json()["detail"]
