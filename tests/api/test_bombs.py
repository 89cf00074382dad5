"""Small files and forms that mean harm: each is refused, soon, within bounds of memory."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.client import Client
from tests.bombs import BOMBS, FORMS, Bomb, Form

QUICK = {
    "open quote.csv",
    "separators.csv",
    "punycode.csv",
    "one text.parquet",
    "nested.parquet",
    "damaged 1.parquet",
    "its length.parquet",
    "claims.npz",
    "deep header.npz",
    "objects.npz",
    "black.zip",
    "50,000 squared.zip",
    "outside.zip",
    "half.zip",
}
"""Those that are made at once."""


def sent(client: Client, bomb: Bomb) -> httpx.Response:
    return client.post("/v1/datasets", files={"file": (bomb.name, bomb.data)}, data=bomb.form)


def assert_refused(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(body["detail"]) > 20, body
    assert body["code"] not in {"unreadable_file", "reading_too_large", "reading_too_slow"}, body


def test_each_small_one_is_refused_for_what_it_is(client: Client) -> None:
    chosen = [bomb for bomb in BOMBS if bomb.name in QUICK]
    assert len(chosen) == len(QUICK)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda bomb: sent(client, bomb), chosen):
            assert_refused(answer)
    assert client.get("/v1/datasets").json()["data"] == []
    assert list((client.services.settings.state / "reading").iterdir()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_no_form_is_taken_that_is_none(client: Client, form: Form) -> None:
    headers = {"Content-Type": form.content_type}
    answer = client.post("/v1/datasets", content=form.body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert len(answer.json()["detail"]) > 20


@pytest.mark.parametrize("charset", ["punycode", "utf-7", "idna", "hex"])
def test_a_form_is_in_utf_8_whatever_python_can_decode(client: Client, charset: str) -> None:
    text = b"a" * 900_000  # minutes in punycode, whose decoder takes the square of that
    part = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + text + b"\r\n--b--\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    answer = client.post("/v1/datasets", content=part, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_charset")


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_each_is_refused_for_what_it_is(client: Client, bomb: Bomb) -> None:
    assert_refused(sent(client, bomb))
