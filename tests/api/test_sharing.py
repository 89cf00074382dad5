"""What is taken along of a job: its curves for other tools, its report as one page."""

import csv
import io
import re
import struct
import zipfile
from html.parser import HTMLParser
from typing import Any

import pytest

from service.exports.tensorboard import crc32c
from tests.api.client import Client
from tests.api.work import post, train

EVIL = '<script>alert("1")</script> [a](javascript:b) <img src=x>'


@pytest.fixture(scope="module")
def job(client: Client) -> dict[str, Any]:
    return train(
        client,
        post(
            client,
            name=EVIL,
            compare=[
                {"name": "none", "regularization": {}},
                {"name": "a/../b", "regularization": {"dropout": 0.2, "l1": 1e-4}},
            ],
            repeats=2,
        ),
    )


def exported(client: Client, job: dict[str, Any], form: str) -> dict[str, bytes]:
    answer = client.get(f"/v1/jobs/{job['id']}/export?format={form}")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert not [name for name in files if name.startswith("/") or ".." in name.split("/")]
    return files


def losses(client: Client, job: dict[str, Any]) -> dict[str, list[float]]:
    """Trial → its training loss, one an epoch, best trial first."""
    trials = client.get(f"/v1/jobs/{job['id']}/trials").json()["data"]
    path = f"/v1/jobs/{job['id']}/metrics?trial="
    return {
        trial["id"]: client.get(path + trial["id"]).json()["metrics"]["train_loss"]
        for trial in trials
    }


def test_csv_has_a_line_a_trial_and_epoch(client: Client, job: dict[str, Any]) -> None:
    answer = client.get(f"/v1/jobs/{job['id']}/export")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["trial"], []).append(float(row["train_loss"]))
        assert int(row["epoch"]) == len(found[row["trial"]])
    assert found == losses(client, job)


def scalars(content: bytes) -> dict[str, list[tuple[int, float]]]:
    """Tag → (step, value) of an event file, read by the formats' definition, checksums included."""
    found: dict[str, list[tuple[int, float]]] = {}
    while content:
        (length,) = struct.unpack_from("<Q", content)
        data, content, head = content[12 : 12 + length], content[16 + length :], content
        for block, place in ((head[:8], 8), (data, 12 + length)):
            crc = int(crc32c([block])[0])
            masked = ((crc >> 15) + (crc << 17) + 0xA282EAD8) % 2**32
            assert struct.unpack_from("<I", head, place) == (masked,)
        event = fields(data)
        for summary in event.get(5, []):
            for value in fields(summary)[1]:
                parts = fields(value)
                tag = parts[1][0].decode()
                found.setdefault(tag, []).append((event[2][0], parts[2][0]))
    return found


def fields(message: bytes) -> dict[int, list[Any]]:
    """The fields of a message in protocol buffers, by their numbers."""
    found: dict[int, list[Any]] = {}
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = message[place]
            place += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while place < len(message):
        key = varint()
        if key & 7 == 0:
            value: Any = varint()
        elif key & 7 == 2:
            length = varint()
            value = message[place : place + length]
            place += length
        else:
            size, form = (8, "<d") if key & 7 == 1 else (4, "<f")
            (value,) = struct.unpack_from(form, message, place)
            place += size
        found.setdefault(key >> 3, []).append(value)
    return found


def test_tensorboard_reads_each_trial_as_a_run(client: Client, job: dict[str, Any]) -> None:
    files = exported(client, job, "tensorboard")
    assert len(files) == len({name.rsplit("/", 1)[0] for name in files}) == 4
    assert all(re.search(r"/events\.out\.tfevents\.\d+\.parsimony$", name) for name in files)
    for content, expected in zip(
        (files[name] for name in sorted(files)), losses(client, job).values(), strict=True
    ):
        found = scalars(content)["train_loss"]
        assert [step for step, _ in found] == list(range(1, len(expected) + 1))
        assert [value for _, value in found] == pytest.approx(expected, rel=1e-6)


def test_the_checksum_is_castagnoli_s() -> None:
    """RFC 3720, appendix B.4."""
    blocks = [bytes(32), b"\xff" * 32, bytes(range(32)), b"123456789"]
    assert [hex(crc) for crc in crc32c(blocks)] == [
        "0x8a9136aa",
        "0x62a8ab43",
        "0x46dd794e",
        "0xe3069283",
    ]


def test_mlflow_has_a_run_for_each_trial(client: Client, job: dict[str, Any]) -> None:
    files = exported(client, job, "mlflow")
    runs = {name.rsplit("/", 2)[0] for name in files if name.endswith("/tags/mlflow.runName")}
    assert len(runs) == 4
    curves = losses(client, job)
    for run in runs:
        trial = files[f"{run}/tags/parsimony.trial"].decode()
        lines = [line.split() for line in files[f"{run}/metrics/train_loss"].decode().splitlines()]
        assert [float(value) for _, value, _ in lines] == curves[trial]
        assert [int(step) for *_, step in lines] == list(range(1, len(lines) + 1))
        assert {f"{run}/{folder}/" for folder in ("artifacts", "metrics", "params")} <= files.keys()
        dropout = files.get(f"{run}/params/regularization.dropout.p")
        named = files[f"{run}/tags/mlflow.runName"].decode()
        assert dropout == (b"0.2" if named.startswith("a/../b") else None)


def test_what_is_too_much_is_refused(
    client: Client, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.exports.trial_curves.MOST_VALUES", 200)
    answer = client.get(f"/v1/jobs/{job['id']}/export")
    assert (answer.status_code, answer.json()["param"]) == (422, "top")
    assert client.get(f"/v1/jobs/{job['id']}/export?top=1").status_code == 200


class Page(HTMLParser):
    """A page's tags, its text outside of pictures, and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") or "url(" in (value or ""):
                self.references.append(value or "")


def test_the_page_stands_alone_and_begins_with_the_verdict(
    client: Client, job: dict[str, Any]
) -> None:
    answer = client.get(f"/v1/jobs/{job['id']}/report.html")
    page = Page(answer.text)
    assert not {"script", "img", "link", "a", "iframe"} & set(page.tags)
    assert all(one.startswith(("#", "url(#")) for one in page.references)
    assert page.tags.count("svg") == 3
    assert page.tags.count("table") >= 2
    verdict = client.get(f"/v1/jobs/{job['id']}/report").json()["verdict"]
    assert answer.text.index(verdict[:20]) < answer.text.index("<svg")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_job_that_has_not_begun_has_a_page_and_no_curves(client: Client) -> None:
    job_id = post(client)
    assert client.get(f"/v1/jobs/{job_id}/report.html").status_code == 200
    assert client.get(f"/v1/jobs/{job_id}/export").text.startswith("trial,name,")
    with zipfile.ZipFile(
        io.BytesIO(client.get(f"/v1/jobs/{job_id}/export?format=mlflow").content)
    ) as archive:
        assert archive.testzip() is None
