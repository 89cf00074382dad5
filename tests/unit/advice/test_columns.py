"""Columns that are not what they seem, as a file has them."""

from worker.advice import Advice, advise
from worker.data import check, parse_csv
from worker.spec import JobSpec

SPEC = JobSpec.model_validate({"dataset": "ds_12345678", "target": "y"})


def said(*cells: str) -> dict[str, Advice]:
    """Advice on a file with a column x of these cells."""
    lines = [f"{cell},{n},{'ab'[n % 2]}" for n, cell in enumerate(cells)]
    table = parse_csv("\n".join(["x,n,y", *lines]).encode())
    return {finding.code: finding for finding in advise(SPEC, check(table, SPEC))}


def test_an_identifier() -> None:
    finding = said(*(f"customer {n}" for n in range(100)))["identifier_columns"]
    assert (finding.severity, finding.field) == ("warning", "dataset")
    assert finding.evidence == {"categories": {"x": 100}, "rows": 100}
    assert "'x'" in finding.message


def test_categories_that_rows_share() -> None:
    assert "identifier_columns" not in said(*(f"town {n % 30}" for n in range(100)))
    assert "identifier_columns" not in said(*(str(n) for n in range(100)))


def test_numbers_with_a_few_slips() -> None:
    finding = said("n/a", "1;5", *(str(n / 2) for n in range(98)))["numbers_as_categories"]
    others = {"categories": 100, "numbers": 98, "others": ("1;5", "n/a")}
    assert finding.evidence == {"x": others}
    assert "identifier_columns" not in said("n/a", *(str(n / 2) for n in range(98)))


def test_numbers_without_slips_and_codes() -> None:
    assert "numbers_as_categories" not in said("", *(str(n / 2) for n in range(98)))
    codes = [f"A{n}" for n in range(30)] + [str(n) for n in range(70)]
    assert "numbers_as_categories" not in said(*codes)
