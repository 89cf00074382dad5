"""Findings about finished columns: each kind in several spellings, and how they are bounded."""

import json

import numpy as np
import pytest

from worker.data import Table, target_findings
from worker.data.delimited import parse_csv
from worker.data.drafts import MOST, Draft, bounded_findings
from worker.data.findings import draft_findings
from worker.data.table import Cells, categorical, dates, numeric
from worker.results import Advice
from worker.spec import Reading


def read(text: str, **said: object) -> Table:
    reading = Reading.model_validate({"columns": {}, **said})
    return parse_csv(text.encode(), reading=reading)


def column(name: str, cells: list[object], **said: object) -> dict[str, Advice]:
    """Findings about a column of a file, by code."""
    lines = [f'"{cell}",{(7 * n) % 11 / 2}' for n, cell in enumerate(cells)]
    table = read("\n".join([f"{name},other", *lines]), **said)
    return {found.code: found for found in table.findings if found.column == name}


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Id", list(range(1, 21))),
        ("row", list(range(20, 0, -1))),
        ("n", [(7 * n) % 20 for n in range(20)]),
        ("when", list(range(1_000_000, 1_000_020))),
        ("customer_id", [5, 1, 900, 33]),
        ("customerId", [5, 1, 900, 33]),
        ("Unnamed: 0", [4, 2, 8, 6]),
        ("uuid", ["a4", "b2", "c9", "d1"]),
        ("name", [f"person {n}" for n in range(12)]),
        ("note", [f"text {min(n, 18)}" for n in range(20)]),
    ],
)
def test_columns_that_name_rows(name: str, cells: list[object]) -> None:
    told = column(name, cells)["identifier"]
    assert (told.severity, told.change) == ("warning", {"columns": {name: "ignore"}})
    for kind in (
        "ignore",
        "categorical",
        "numeric" if isinstance(cells[0], int) else "categorical",
    ):
        assert "identifier" not in column(name, cells, columns={name: kind})


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("age", [20, 35, 21, 60, 44, 18, 33, 29, 51, 70, 12]),
        ("customer_id", [5, 1, 900, 5]),
        ("score", [n / 2 for n in range(20)]),
        ("town", [f"town {n % 8}" for n in range(20)]),
        ("few", list(range(5))),
        ("words", ["a", "b", "c"]),
    ],
)
def test_columns_that_do_not(name: str, cells: list[object]) -> None:
    assert "identifier" not in column(name, cells)


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ([7] * 12, "constant"),
        (["7", "", "7"], "constant"),
        (["a"] * 12, "constant"),
        ([""] * 12, "empty"),
        (["NA", "", "?"], "empty"),
        ([n % 2 for n in range(12)], "integer_codes"),
        ([n % 8 + 1 for n in range(40)], "integer_codes"),
        ([n % 5 * 1000 for n in range(40)], "integer_codes"),
    ],
)
def test_columns_of_few_values(cells: list[object], code: str) -> None:
    told = column("k", cells)[code]
    assert told.severity == "info"
    assert told.change is not None
    assert "k" in told.message


def test_a_text_beside_missing_cells_is_not_constant() -> None:
    """The network sees whether it is there."""
    assert "constant" not in column("k", ["a", "NA", "a", "a"])


@pytest.mark.parametrize(
    ("cells", "kept", "left"),
    [
        ([f"2024-05-{n:02}" for n in range(1, 20)], "dates", "identifier"),
        ([*(f"{n}.5" for n in range(20)), "x"], "nearly_numeric", "identifier"),
    ],
)
def test_no_two_findings_set_a_column_to_two_things(
    cells: list[object], kept: str, left: str
) -> None:
    told = column("k", cells)
    assert kept in told
    assert left not in told


@pytest.mark.parametrize(
    "labels", [["Yes", "yes"], ["New York", "new york"], ["a b", "a  b"], ["ab", "a b"], ["É", "é"]]
)
def test_labels_that_differ_in_case_or_blanks(labels: list[str]) -> None:
    told = column("town", [*labels * 6, "other"])["similar_labels"]
    assert told.severity == "warning"
    assert told.evidence["groups"] == [sorted(labels)]
    assert "similar_labels" not in column("town", ["yes", "no", "maybe"] * 4)


def test_copies_are_found_by_their_cells() -> None:
    table = read("a,b,c,d\n" + "".join(f"{n * n},{n * n},t{n % 2},t{n % 2}\n" for n in range(12)))
    copies = {f.column: f.evidence["equals"] for f in table.findings if f.code == "equal_columns"}
    assert copies == {"b": "a", "d": "c"}


NUMBERS = [float(n * n % 17) / 2 for n in range(40)]
CLASSES = [n * 7 % 3 for n in range(40)]


@pytest.mark.parametrize(
    "cells",
    [
        numeric("f", CLASSES),
        numeric("f", [[5, -1, 8.5][c] for c in CLASSES]),
        categorical("f", ("0", "1", "2"), CLASSES),
        categorical("f", ("x", "z", "y"), CLASSES),
        dates("f", [float(c) * 30 for c in CLASSES]),
    ],
)
def test_a_feature_that_is_the_target(cells: Cells) -> None:
    others = [numeric("x", NUMBERS), categorical("w", ("p", "q"), [n % 2 for n in range(40)])]
    for target in (numeric("y", CLASSES), categorical("y", ("no", "yes", "so"), CLASSES)):
        table = Table.of([*others, cells, target])
        (told,) = target_findings(table, "y")
        assert (told.code, told.severity, told.column) == ("equals_target", "warning", "f")
        assert told.change == {"columns": {"f": "ignore"}}


def test_a_measured_target_is_copied_by_equal_numbers_alone() -> None:
    y = np.random.default_rng(0).normal(size=50)
    texts = [repr(v) for v in y.tolist()]
    copies = [numeric("same", y), categorical("text", texts, np.arange(50))]
    table = Table.of([*copies, numeric("other", -y), numeric("y", y)])
    assert [told.column for told in target_findings(table, "y")] == ["same", "text"]


def test_findings_are_few_and_small() -> None:
    names = [f"{'n' * 150}{k}" for k in range(300)]
    rows = "\n".join(",".join(f"{n:03d}" for _ in names) for n in (1, 2, 1))
    table = read(",".join(names) + "\n" + rows)
    assert len(table.findings) <= MOST + 1
    assert all(len(json.dumps(found.evidence)) < 1_000 for found in table.findings)
    (zeros,) = [found for found in table.findings if found.code == "leading_zeros"]
    assert (zeros.column, zeros.evidence["count"], zeros.evidence["line"]) == (None, 300, 2)
    assert zeros.change is not None
    assert len(zeros.change["columns"]) == 300
    assert zeros.message.startswith("300 columns hold numbers with leading zeros")
    mended = read(",".join(names) + "\n" + rows, columns=zeros.change["columns"])
    assert {c.kind for c in mended.columns} == {"numeric"}
    many = [Draft(f"code{n}", "What.", "Do.", column="x") for n in range(150)]
    settled = bounded_findings(many)
    assert (len(settled), settled[-1].code, settled[-1].evidence["more"]) == (
        101,
        "more_findings",
        50,
    )


def test_long_and_odd_cells_stay_out_of_evidence() -> None:
    cells = ["x" * 5_000, "y\u202ez", *(str(n) for n in range(60))]
    told = column("k", cells)["nearly_numeric"]
    assert len(json.dumps(told.evidence)) < 1_000
    assert "\u202e" not in told.message


def test_warnings_come_first_and_findings_survive_storage() -> None:
    table = read("k,id,y\n" + "".join(f"7,{n},{n % 2}\n" for n in range(20)))
    severities = [found.severity for found in table.findings]
    assert severities == sorted(severities, key=["warning", "info"].index)
    assert Table.from_parquet(table.to_parquet()).findings == table.findings


def test_typed_tables_are_looked_at_as_well() -> None:
    drafts = draft_findings(Table.of([numeric("x", [1.0] * 20), numeric("id", range(20))]))
    assert [(draft.code, draft.column) for draft in drafts] == [
        ("constant", "x"),
        ("identifier", "id"),
    ]


@pytest.mark.parametrize(
    ("cells", "odd"),
    [
        ([f"{n}.5" for n in range(20)], "1e30"),
        ([f"{n % 3}" for n in range(20)], "-99999999999"),
        (["0.001"] * 6 + ["0.002"] * 6 + ["0"] * 30, "250000"),
    ],
)
def test_a_number_a_million_times_as_large_as_others_is_told(cells: list[str], odd: str) -> None:
    told = column("a", [*cells, odd])["extreme_value"]
    assert (told.severity, told.evidence["line"]) == ("warning", len(cells) + 2)
    assert f"line {len(cells) + 2}" in told.message
    assert "extreme_value" not in column("a", [*cells, "300"])
