"""Lists stay short whatever was uploaded or posted: 20 entries in less than 100 kB."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from tests.api.client import Client
from tests.api.work import post
from tests.databases import KINDS
from worker.results import Advice, JobError, Winner
from worker.storage.tables import Dataset, Job, Model, ModelAlias, ModelVersion, TrialRow

ON_BOTH = pytest.mark.database_kinds(*KINDS)
MOST_BYTES = 100_000
WIDE = "\U0001f600"
"""A letter of four bytes."""
QUOTES = '"\\'
"""Letters that JSON writes with two."""


def length_of_20(client: Client, path: str) -> int:
    """Bytes of a list whose entries are all as long as the longest that there is."""
    answer = client.get(path, params={"limit": 20})
    assert answer.status_code == 200, answer.text
    entries: list[Any] = answer.json()["data"]
    return 20 * max(len(json.dumps(entry, ensure_ascii=False).encode()) for entry in entries)


def many_ids() -> str:
    rows = (
        f"{WIDE * 90}{number:07},{QUOTES * 30}{number},{number % 2}\n" for number in range(8000)
    )
    return "id,other,y\n" + "".join(rows)


def many_columns() -> str:
    header = ",".join(f"{WIDE * 190}{number}" for number in range(1500))
    return f"{header}\n{','.join('1' * 1500)}\n"


def long_cells() -> str:
    names = [f"{number}{WIDE * 199}" for number in range(10)]
    rows = (",".join(f"{row}{WIDE * 5000}" for _ in names) for row in range(3))
    return "\n".join([",".join(names), *rows])


@pytest.mark.parametrize("csv", [many_ids, many_columns, long_cells])
@pytest.mark.parametrize("target", [pytest.param(False, marks=pytest.mark.slow), True])
def test_data_sets(client: Client, csv: Callable[[], str], target: bool) -> None:
    content = csv()
    named = content.partition(",")[0]
    form = {"name": WIDE * 120} | ({"target": named} if target else {})
    answer = client.upload(content, **form)
    assert answer.status_code == 201, answer.text[:500]
    (entry,) = client.get("/v1/datasets", params={"limit": 1}).json()["data"]
    assert entry["id"] == answer.json()["id"]
    assert length_of_20(client, "/v1/datasets") < MOST_BYTES
    stored = row_of(client, entry["id"])
    assert len(str(stored.columns)) < 40_000 * len(stored.columns)


def row_of(client: Client, dataset_id: str) -> Dataset:
    with client.services.database.read() as session:
        return session.get_one(Dataset, dataset_id)


def test_jobs(client: Client) -> None:
    compare = [
        {"name": f"{number}{WIDE * 110}", "regularization": {"l1": number / 2000}}
        for number in range(40)
    ]
    columns = {f"x{number}{WIDE * 100}": "ignore" for number in range(5000)}
    circle = {"builtin": "circle", "rows": 100}
    job = post(client, dataset=circle, name=WIDE * 120, compare=compare, model="m" * 64)
    with client.services.database.write() as session:
        row = session.get_one(Job, job)
        row.posted = {
            **(row.posted or {}),
            "columns": columns,
            "compare": compare * 25,
            "target": WIDE * 60_000,
        }
        row.summary = {**(row.summary or {}), "target": WIDE * 60_000}
        row.advice = [a_finding()] * 500
        row.error = JobError(code="diverged", message=WIDE * 8000)
        row.best = Winner(
            trial="trl_1", name=WIDE * 1000, value=0.1, metrics={f"m{n}": 0.5 for n in range(500)},
            configuration=1, objective="validation_loss",
        )  # fmt: skip
    (entry,) = client.get("/v1/jobs", params={"limit": 1}).json()["data"]
    assert (entry["id"], entry["dataset"], entry["advice_count"]) == (job, "circle", 500)
    assert length_of_20(client, "/v1/jobs") < MOST_BYTES
    assert client.get(f"/v1/jobs/{job}").json()["spec"]["columns"] == columns


def a_finding() -> Advice:
    return Advice(
        severity="info",
        code="long",
        field=None,
        message=WIDE * 1000,
        evidence={},
        fix="None.",
    )


@ON_BOTH
def test_jobs_of_an_earlier_release(client: Client) -> None:
    """They have no summary, and the oldest nothing but the complete specification."""
    job = post(client, target="species", search={"method": "random", "trials": 3, "space": "auto"})
    before = client.get("/v1/jobs", params={"limit": 1}).json()["data"][0]
    for column in ("summary", "posted"):
        with client.services.database.write() as session:
            setattr(session.get_one(Job, job), column, None)
        assert client.get("/v1/jobs", params={"limit": 1}).json()["data"][0] == before


@ON_BOTH
def test_models(client: Client) -> None:
    job = post(client, model="long")
    with client.services.database.write() as session:
        trial = session.query(TrialRow).filter(TrialRow.job_id == job).first()
        assert trial is not None
        session.execute(
            insert(Model), [{"id": "mdl_1", "name": "m" * 64}, {"id": "mdl_2", "name": "n"}]
        )
        session.execute(
            insert(ModelAlias),
            [
                {"model_id": "mdl_1", "alias": alias, "version": 2**31 - 1}
                for alias in [
                    "production",
                    *(f"a{number:05}".ljust(64, "_") for number in range(3000)),
                ]
            ],
        )
        session.add(version_of("mdl_1", 7, job, trial))
    listed = client.get("/v1/models", params={"limit": 20})
    first = next(model for model in listed.json()["data"] if model["id"] == "mdl_1")
    assert (first["versions_count"], first["latest"], first["aliases_count"]) == (1, 7, 3001)
    assert len(first["aliases"]) == 10
    assert "production" in first["aliases"]
    bare = next(model for model in listed.json()["data"] if model["id"] == "mdl_2")
    assert (bare["versions_count"], bare["latest"], bare["aliases"]) == (0, None, {})
    assert length_of_20(client, "/v1/models") < MOST_BYTES
    whole = client.get(f"/v1/models/{'m' * 64}").json()
    assert (whole["versions"], len(whole["aliases"])) == ([7], 3001)


def version_of(model: str, number: int, job: str, trial: TrialRow) -> ModelVersion:
    return ModelVersion(
        model_id=model,
        version=number,
        job_id=job,
        fleet_id=trial.fleet_id,
        trial_id=trial.id,
        position=0,
        path="p",
        sha256="0" * 64,
        bytes=1,
        manifest={"columns": [{"name": WIDE * 200}] * 5000},
    )
