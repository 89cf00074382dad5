"""Which rows a job used for what, and what its trials answer them."""

import csv
import io
from itertools import chain
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.api.client import Client
from tests.api.kinds import QUICK, ask, check, run, send, table
from worker.data import Table
from worker.jobs import rows
from worker.jobs.table_cache import TableCache

Answer = dict[str, Any]
COUNT = 90
SPLIT = {"validation": 0.2, "test": 0.1, "seed": 3}


@pytest.fixture(scope="module")
def dataset(client: Client) -> Answer:
    """Ninety rows of two classes; row 7 has no target."""
    drawn = np.random.default_rng(1)
    cells = [
        (
            round(float(drawn.normal()), 3),
            f"p{n % 9}",
            n % 3,
            f"2024-{1 + n // 28:02}-{1 + n % 28:02}",
            "" if n == 7 else ("yes" if drawn.random() < 0.4 else "no"),
        )
        for n in range(COUNT)
    ]
    return send(client, table("x,patient,fold,date,y", cells), target="y")


def get(client: Client, job: Answer, path: str, **options: Any) -> Any:
    answer = client.get(f"/v1/jobs/{job['id']}/{path}", **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def lines(client: Client, job: Answer, path: str) -> list[dict[str, str]]:
    answer = client.get(f"/v1/jobs/{job['id']}/{path}", headers={"Accept": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.fixture(scope="module")
def shares(client: Client, dataset: Answer) -> Answer:
    compare = [{"name": name, "regularization": {}} for name in ("a", "b")]
    return run(client, dataset, "shares", split=SPLIT, compare=compare)


@pytest.fixture(scope="module")
def folded(client: Client, dataset: Answer) -> Answer:
    split = {"folds": 3, "repeats": 2, "test": 0.1}
    return run(client, dataset, "folded", split=split, repeats=2)


# --- which rows -----------------------------------------------------------------------------------


def test_shares_by_row_numbers_of_the_uploaded_table(client: Client, shares: Answer) -> None:
    found = get(client, shares, "splits")
    parts = [found["train"], found["validation"], found["test"], found["unused"]]
    assert sorted(chain.from_iterable(parts)) == list(range(COUNT))
    assert [len(part) for part in parts] == [62, 18, 9, 1]
    assert found["unused"] == [7]
    assert (found["rows"], found["folds_count"], found["folds"]) == (COUNT, 0, [])
    written = lines(client, shares, "splits")
    by_part = {
        part: [int(line["row"]) for line in written if line["part"] == part]
        for part in ("train", "validation", "test", "unused")
    }
    assert list(by_part.values()) == parts
    assert {line["fold"] + line["repeat"] for line in written} == {""}
    # As the trials had them: the shares are drawn by the published rule.
    assert [trial["fold"] for trial in get(client, shares, "trials")["data"]] == [None, None]


def test_folds_and_their_repeats(client: Client, folded: Answer) -> None:
    found = get(client, folded, "splits")
    assert (found["folds_count"], found["repeats"], found["train"]) == (6, 2, None)
    assert [(one["fold"], one["repeat"]) for one in found["folds"]] == [
        (0, 0),
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
        (5, 1),
    ]
    beside = sorted({*range(COUNT)} - {7, *found["test"]})
    for repeat in (0, 1):
        dealt = [one["validation"] for one in found["folds"] if one["repeat"] == repeat]
        assert sorted(chain.from_iterable(dealt)) == beside
    assert found["folds"][0]["validation"] != found["folds"][3]["validation"]
    one = get(client, folded, "splits?fold=4")
    assert one["validation"] == found["folds"][4]["validation"]
    assert sorted(one["train"] + one["validation"]) == beside
    assert [fold["fold"] for fold in one["folds"]] == [4]
    written = lines(client, folded, "splits")
    assert len(written) == 2 * len(beside) + len(found["test"]) + 1
    assert {(line["fold"], line["repeat"]) for line in written if line["part"] == "validation"} == {
        (str(fold), str(fold // 3)) for fold in range(6)
    }
    trials = get(client, folded, "trials")["data"]
    measured = [one for one in trials if one["fold"] is not None]
    assert sorted((one["repeat"], one["fold"]) for one in measured) == [
        (repeat, fold) for repeat in range(2) for fold in range(6)
    ]
    assert folded["best"]["n"] == 12
    losses = [one["metrics"]["validation_loss"] for one in measured]
    assert folded["best"]["metrics"]["validation_loss"] == pytest.approx(np.mean(losses))


def test_windows_of_time_and_what_validates_never(client: Client, dataset: Answer) -> None:
    job = run(client, dataset, split={"order": "date", "folds": 3}, columns={"date": "date"})
    found = get(client, job, "splits")
    first, *_ = found["folds"]
    one = get(client, job, "splits?fold=0")
    assert max(one["train"]) < min(one["validation"])  # the table is in the order of its dates
    written = lines(client, job, "splits")
    never = [int(line["row"]) for line in written if line["part"] == "train"]
    assert never == one["train"]
    assert {line["fold"] for line in written if line["part"] == "train"} == {""}
    assert first["train_count"] == len(never)
    notes = get(client, job, "report")["appraisal"]["notes"]
    assert any("in the order of 'date': each fold's rows come after" in note for note in notes)
    problem = client.get(f"/v1/jobs/{job['id']}/splits?fold=3")
    assert (problem.status_code, problem.json()["param"]) == (404, "fold")
    assert "0 to 2" in problem.json()["detail"]


def test_the_dry_run_knows_groups_and_columns_of_folds(client: Client, dataset: Answer) -> None:
    told = check(client, dataset, split={"folds": {"column": "fold"}, "test": 0.0})
    assert told["understood"]["left_out"] == {"fold": "folds"}
    assert (told["understood"]["features"], told["trials"]) == (3, 4)  # three folds and the refit
    told = check(client, dataset, split={"groups": "patient"})
    assert told["understood"]["left_out"] == {"patient": "groups"}
    assert told["understood"]["rows"] == {"used": COUNT - 1, "left_out": {"no target": 1}}
    refused = check(client, dataset, split={"order": "date"})
    assert (refused["param"], refused["code"]) == ("split.order", "unfit_to_divide")
    assert '{"date": "date"}' in refused["detail"]
    refused = check(client, dataset, split={"groups": "patint"})
    assert "Did you mean 'patient'?" in refused["detail"]
    refused = check(client, dataset, split={"groups": "patient", "rows": "given"})
    assert refused["param"] == "split"


@pytest.mark.slow
def test_groups_and_folds_of_a_column_train_to_the_end(client: Client, dataset: Answer) -> None:
    job = run(client, dataset, "grouped", split={"groups": "patient", "folds": 3})
    assert (job["state"], job["best"]["n"]) == ("succeeded", 3)
    for fold in get(client, job, "splits")["folds"]:
        one = get(client, job, f"splits?fold={fold['fold']}")
        assert not {n % 9 for n in one["train"]} & {n % 9 for n in one["validation"]}
    manifest = client.get("/v1/models/grouped/versions/1").json()["manifest"]
    assert manifest["split"]["groups"] == "patient"
    assert [column["name"] for column in manifest["columns"]] == ["x", "fold", "date"]
    row = {"x": 0.5, "fold": 1, "date": "2024-01-05", "patient": "p1"}
    assert len(ask(client, "grouped", row)["predictions"]) == 1

    job = run(client, dataset, split={"folds": {"column": "fold", "test": "2"}})
    assert job["state"] == "succeeded"
    assert job["spec"]["split"] == {"folds": {"column": "fold", "test": "2"}}
    found = get(client, job, "splits")
    assert [fold["name"] for fold in found["folds"]] == ["0", "1"]
    assert {n % 3 for n in found["test"]} == {2}
    resolved = client.get(f"/v1/jobs/{job['id']}?include=resolved").json()["resolved"]
    assert resolved["split"]["folds"]["count"] == 2


def test_long_lists_of_folds_are_cut_in_answers(client: Client, dataset: Answer) -> None:
    listed = [[n for n in range(COUNT) if n % 2 == part] for part in (0, 1)]
    job = run(client, dataset, split={"folds": [[*listed[0]], [*listed[1]]]})
    assert job["state"] == "succeeded"
    found = get(client, job, "splits")
    assert found["folds"][0]["validation"] == listed[0]
    assert found["folds"][1]["validation"] == [n for n in listed[1] if n != 7]


# --- what they are answered -----------------------------------------------------------------------


def test_the_test_rows_of_the_served_trial_are_what_predict_says(
    client: Client, shares: Answer, dataset: Answer
) -> None:
    found = get(client, shares, "predictions?part=test")
    assert found["trial"] == shares["best"]["trial"]
    numbers = [row["row"] for row in found["data"]]
    assert numbers == get(client, shares, "splits")["test"]
    assert found["count"] == len(numbers) == 9
    preview = client.get(f"/v1/datasets/{dataset['id']}/preview?rows=90").json()
    cells = preview["rows"]
    names = [column["name"] for column in preview["columns"]]
    instances = [{k: v for k, v in zip(names, cells[n], strict=True) if k != "y"} for n in numbers]
    answered = ask(client, "shares", *instances)["predictions"]
    for row, said in zip(found["data"], answered, strict=True):
        assert row["label"] == said["label"]
        assert row["probabilities"] == pytest.approx(said["probabilities"], abs=1e-7)
        assert row["truth"] == cells[row["row"]][names.index("y")]
        assert row["fold"] is None


def test_accuracy_over_the_rows_is_the_metric(client: Client, shares: Answer) -> None:
    for part in ("train", "validation"):
        found = get(client, shares, f"predictions?part={part}")
        right = [row["label"] == row["truth"] for row in found["data"]]
        trial = client.get(f"/v1/jobs/{shares['id']}/trials").json()["data"]
        metrics = next(one for one in trial if one["id"] == found["trial"])["metrics"]
        assert np.mean(right) == pytest.approx(metrics[f"{part}_accuracy"])


def test_out_of_fold_each_row_once_a_repeat_by_the_fold_that_held_it_out(
    client: Client, folded: Answer
) -> None:
    found = get(client, folded, "predictions?part=out_of_fold")
    splits = get(client, folded, "splits")
    assert [(row["fold"], row["row"]) for row in found["data"]] == [
        (fold["fold"], row) for fold in splits["folds"] for row in fold["validation"]
    ]
    trials = client.get(f"/v1/jobs/{folded['id']}/trials?limit=50").json()["data"]
    for fold in range(6):
        rows_of = [row for row in found["data"] if row["fold"] == fold]
        losses = [-np.log(row["probabilities"][row["truth"]]) for row in rows_of]
        (trial,) = [one for one in trials if (one["fold"], one["repeat"]) == (fold, 0)]
        assert np.mean(losses) == pytest.approx(trial["metrics"]["validation_loss"], rel=1e-5)
    second = next(one for one in trials if (one["fold"], one["repeat"]) == (1, 1))
    other = get(client, folded, f"predictions?part=out_of_fold&trial={second['id']}")
    assert other["count"] == found["count"]
    assert other["data"][0]["probabilities"] != found["data"][0]["probabilities"]


def test_the_refit_answers_for_the_test_and_all_it_trained_on(
    client: Client, folded: Answer
) -> None:
    served = folded["best"]["trial"]
    assert get(client, folded, "predictions?part=test")["trial"] == served
    trained = get(client, folded, f"predictions?part=train&trial={served}")
    assert trained["count"] == COUNT - 1 - len(get(client, folded, "splits")["test"])
    for part, fragment in (("validation", "trains on the validation"), ("out_of_fold", "all of")):
        answer = client.get(f"/v1/jobs/{folded['id']}/predictions?part={part}&trial={served}")
        assert answer.status_code == 409, answer.text
        assert answer.json()["param"] == "part"
        assert fragment in answer.json()["detail"]


def test_a_regression_in_all_forms(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ANSWERED_ROWS", 7)
    drawn = np.random.default_rng(2)
    cells = [(round(float(x), 3), round(float(3 * x), 3)) for x in drawn.normal(size=70)]
    made = send(client, table("x,y", cells), target="y")
    job = run(client, made, split={"folds": 4}, network={"kind": "linear"}, refit=False)
    path = f"/v1/jobs/{job['id']}/predictions?part=out_of_fold"
    plain = client.get(path).json()
    assert {row["row"] for row in plain["data"]} == set(range(70))
    assert all(row["truth"] == cells[row["row"]][1] for row in plain["data"])
    answer = client.get(path, headers={"Accept": "text/html, text/csv;q=0.8, */*;q=0.1"})
    assert 'filename="job_' in answer.headers["Content-Disposition"]
    written = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(written[0]) == ["row", "fold", "truth", "prediction"]
    parquet = client.get(f"{path}&format=parquet")
    assert parquet.headers["Content-Type"] == "application/vnd.apache.parquet"
    columns = pq.read_table(io.BytesIO(parquet.content)).to_pydict()
    for name, said in (
        ("row", "row"),
        ("fold", "fold"),
        ("truth", "truth"),
        ("prediction", "value"),
    ):
        expected = [row[said] for row in plain["data"]]
        assert [float(line[name]) for line in written] == expected
        assert columns[name] == expected


def test_classes_in_columns(client: Client, shares: Answer) -> None:
    written = lines(client, shares, "predictions?part=validation")
    plain = get(client, shares, "predictions?part=validation")["data"]
    assert list(written[0]) == [
        "row",
        "fold",
        "truth",
        "prediction",
        "probability_no",
        "probability_yes",
    ]
    assert [line["truth"] for line in written] == [row["truth"] for row in plain]
    assert [float(line["probability_yes"]) for line in written] == pytest.approx(
        [row["probabilities"]["yes"] for row in plain]
    )


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "part", "fragment"),
    [
        ({"validation": 0.2}, "test", "split.test"),
        ({"validation": 0.0}, "validation", "split.validation"),
        ({"validation": 0.2}, "out_of_fold", "split.folds"),
        ({"rows": {"train": [0, 1, 2, 3, 4]}}, "test", "split.rows.test"),
    ],
)
def test_a_part_without_rows_is_refused_with_the_remedy(
    client: Client, dataset: Answer, split: Answer, part: str, fragment: str
) -> None:
    job = run(client, dataset, split=split)
    answer = client.get(f"/v1/jobs/{job['id']}/predictions?part={part}")
    assert answer.status_code == 409, answer.text
    assert answer.json()["param"] == "part"
    assert fragment in answer.json()["detail"]


def test_a_job_that_has_not_ended_and_one_whose_data_are_gone(client: Client) -> None:
    made = send(client, "x,y\n" + "1,a\n2,b\n" * 30, target="y")
    waiting = client.post("/v1/jobs", json={"dataset": made["id"], **QUICK}).json()
    answer = client.get(f"/v1/jobs/{waiting['id']}/predictions")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_winner")
    assert len(get(client, waiting, "splits")["train"]) == 48  # known before it trains
    trial = client.get(f"/v1/jobs/{waiting['id']}/trials").json()["data"][0]["id"]
    answer = client.get(f"/v1/jobs/{waiting['id']}/predictions?trial={trial}")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_model")
    client.post(f"/v1/jobs/{waiting['id']}/cancel")
    job = run(client, made)
    assert client.delete(f"/v1/datasets/{made['id']}").status_code == 204
    for path in ("splits", "predictions"):
        answer = client.get(f"/v1/jobs/{job['id']}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "dataset_deleted"), path
        assert "Upload it again" in answer.json()["detail"]
    assert client.get("/v1/jobs/job_nowhere/splits").status_code == 404
    assert client.get(f"/v1/jobs/{job['id']}/predictions?part=all").status_code == 422


def test_no_table_is_in_memory_as_a_whole(
    client: Client, dataset: Answer, shares: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    otherwise = run(client, dataset, split=SPLIT, columns={"fold": "categorical"})
    expected = [get(client, job, "predictions?part=test") for job in (shares, otherwise)]

    def refuse(*_: object) -> None:
        raise AssertionError("a table is read as a whole")

    monkeypatch.setattr(Table, "from_parquet", refuse)
    monkeypatch.setattr(TableCache, "get", refuse)
    services = client.services
    told = rows.JobRows(services.database, services.artefacts, services.tables)
    for job, answers in zip((shares, otherwise), expected, strict=True):
        assert told.divided(job["id"])[1].rows == COUNT
        answered = told.answers(job["id"], "test")
        numbers = [number for block in answered.blocks for number in block.rows.tolist()]
        assert numbers == [row["row"] for row in answers["data"]]
