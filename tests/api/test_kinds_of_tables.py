"""Kinds of problem that users of such services report, each in several spellings: how a file
is read, and what is said of it at the upload and where a job is checked.

What was meant comes out, or a message that helps. Nothing is guessed in silence.
"""

import gzip
import zlib

import httpx
import numpy as np
import pytest

from tests.api.client import Client
from tests.api.kinds import Answer, check, codes, kinds, npz, send, table

RNG = np.random.default_rng(3)
AREAS = RNG.integers(30, 180, 120).tolist()
PRICES = [10 * area + 50 for area in AREAS]


@pytest.mark.parametrize("stray", ["see note", "12O", "sold!", "on request", "~150"])
def test_a_stray_text_in_a_numeric_target(client: Client, stray: str) -> None:
    """B01: never another task; the job is told the line and the ways out."""
    rows = [[area, price] for area, price in zip(AREAS, PRICES, strict=True)]
    rows[40][1] = stray
    dataset = send(client, table("area,price", rows), target="price")
    refused = check(client, dataset)
    assert (refused["code"], refused["param"]) == ("stray_text_in_target", "target")
    assert "line 42" in refused["detail"]
    assert stray in refused["detail"]
    dropped = check(client, dataset, target_missing="drop")["understood"]
    assert (dropped["task"], dropped["rows"]["used"]) == ("regression", 119)
    assert sum(dropped["rows"]["left_out"].values()) == 1
    told = check(client, dataset, missing=[stray])["understood"]
    assert (told["task"], told["rows"]["left_out"]) == ("regression", {"no target": 1})
    labels = check(client, dataset, columns={"price": "categorical"})["understood"]
    assert labels["task"] == "multiclass"


@pytest.mark.parametrize("marker", ["N/A", "n/a", "#N/A", "-", "None", ".", "NULL", "?"])
def test_a_marker_in_a_numeric_column_is_a_missing_cell(client: Client, marker: str) -> None:
    """B01, B08a, B20j: as a target and as a feature."""
    rows: list[list[object]] = [[a, p] for a, p in zip(AREAS, PRICES, strict=True)]
    rows[7] = [marker, rows[7][1]]
    rows[9] = [rows[9][0], marker]
    dataset = send(client, table("area,price", rows), target="price")
    assert kinds(dataset) == {"area": "numeric", "price": "numeric"}
    assert [column["missing"] for column in dataset["columns"]] == [1, 1]
    assert "missing_markers" in codes(dataset, "area") & codes(dataset, "price")
    understood = dataset["understood"]
    assert (understood["task"], understood["rows"]["used"]) == ("regression", 119)


WRITTEN = {
    "decimal comma": lambda v: f"{v:.2f}".replace(".", ","),
    "thousands and comma": lambda v: f"{v * 1000:,.2f}".translate(str.maketrans(",.", ".,")),
    "thousands": lambda v: f"{v * 1000:,.1f}",
    "currency": lambda v: f"${v:.2f}",
    "currency behind": lambda v: f"{v:.2f} €".replace(".", ","),
    "percent": lambda v: f"{v:.1f} %",
    "accounting": lambda v: f"({v:.2f})",
    "minus": lambda v: f"\u2212{v:.2f}",
    "apostrophes": lambda v: f"{v * 1000:,.1f}".replace(",", "'"),
}


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("style", WRITTEN)
def test_numbers_in_another_notation(client: Client, style: str, separator: str) -> None:
    """B02, B06: read where all cells agree, and told; as a target and as a feature."""
    values = [n / 8 + 1.25 for n in range(60)]
    rows = [[WRITTEN[style](v), WRITTEN[style](2 * v)] for v in values]
    dataset = send(client, table(f"x{separator}y", rows, separator), target="y")
    assert kinds(dataset) == {"x": "numeric", "y": "numeric"}
    assert "number_format" in codes(dataset, "x") & codes(dataset, "y")
    assert dataset["understood"]["task"] == "regression"
    x, y = (column["mean"] for column in dataset["columns"])
    assert y == pytest.approx(2 * x, rel=1e-3)


@pytest.mark.parametrize(
    "cells", [["1,234", "2,500"], ["12,345", "1,000"], ["-1,234", "9,999", "123"]]
)
def test_a_mark_that_may_be_either_is_not_guessed(client: Client, cells: list[str]) -> None:
    """B02: it is refused as a target, told as a feature, and settled by one word."""
    rows = [[n % 7, cells[n % len(cells)]] for n in range(60)]
    dataset = send(client, table("x,y", rows), target="y")
    assert "nearly_numeric" in codes(dataset, "y")
    assert check(client, dataset)["param"] == "target"
    assert check(client, dataset, thousands=",")["understood"]["target"] == "y"
    comma = send(client, table("x,y", rows), target="x", decimal=",")
    assert comma["columns"][1]["maximum"] < 200


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"taget": "y"}, "taget"),
        ({"types": "{}"}, "types"),
        ({"decimals": ","}, "decimals"),
        ({"columns": '{"x": "number"}'}, "columns.x"),
        ({"columns": '{"z": "ignore"}'}, "columns"),
        ({"columns": "x"}, "columns"),
        ({"header": "maybe"}, "header"),
    ],
)
def test_what_no_upload_takes_is_refused(client: Client, form: dict[str, str], param: str) -> None:
    """B09: nothing that was sent is ignored."""
    refused = send(client, "x,y\n1,2\n3,4\n", **form)
    assert refused["status"] == 422
    assert refused["param"].startswith(param)


@pytest.mark.parametrize(
    ("name", "first"), [("Id", 1), ("row", 0), ("Unnamed: 0", 0), ("", 0), ("nr", 1000)]
)
def test_an_index_of_the_rows_is_told(client: Client, name: str, first: int) -> None:
    """B10: at upload and on the job, with the line that leaves it out."""
    rows = [[first + n, n % 7, "abc"[n // 20]] for n in range(60)]
    dataset = send(client, table(f"{name},x,y", rows), target="y")
    called = name or "Unnamed: 0"
    assert "identifier" in codes(dataset, called)
    told = check(client, dataset)
    (found,) = [one for one in told["advice"] if one["code"] == "identifier"]
    assert found["change"] == {"columns": {called: "ignore"}}
    left = check(client, dataset, **found["change"])
    assert left["understood"]["left_out"] == {called: "ignored"}
    assert "identifier" not in codes(left)


@pytest.mark.parametrize("classes", [21, 26, 40])
def test_many_whole_numbers_beside_images_may_be_classes(client: Client, classes: int) -> None:
    """B13: said where the job is asked for, with the field that overrules."""
    pixels = RNG.integers(0, 256, (4 * classes, 4, 4)).astype(np.uint8)
    dataset = send(client, npz(x=pixels, y=np.arange(4 * classes) % classes), "letters.npz")
    assert dataset["understood"]["task"] == "regression"
    assert "`task`" in dataset["understood"]["why"]
    cnn = {"network": {"kind": "cnn", "channels": [2], "hidden": [4]}}
    told = check(client, dataset, **cnn)
    (found,) = [one for one in told["advice"] if one["code"] == "numbers_as_measurements"]
    assert (found["severity"], found["change"]) == ("warning", {"task": "multiclass"})
    overruled = check(client, dataset, **cnn, **found["change"])["understood"]
    assert (overruled["task"], overruled["classes_count"]) == ("multiclass", classes)


@pytest.mark.parametrize(
    "search",
    [
        {
            "method": "grid",
            "points": 3,
            "space": {"regularization.l1.strength": {"low": 1e-6, "high": 0.1}},
        },
        {"trials": 2, "space": {"regularization.dropout.p": {"values": [0.1, 0.5]}}},
        {"trials": 2, "space": "auto"},
        {"method": "path", "over": "regularization.l1.strength"},
    ],
)
def test_a_search_without_rows_to_choose_by_is_refused(client: Client, search: Answer) -> None:
    """B15: with the remedy."""
    body = {"dataset": {"builtin": "iris"}, "split": {"validation": 0}, "search": search}
    refused = client.post("/v1/jobs", json=body).json()
    assert (refused["code"], refused["param"]) == ("search_without_validation", "split.validation")
    assert "split.folds" in refused["detail"]


@pytest.mark.parametrize("objective", ["test_loss", "test_accuracy", "test_auc"])
def test_test_rows_do_not_choose(client: Client, objective: str) -> None:
    search = {
        "trials": 2,
        "objective": objective,
        "space": {"regularization.dropout.p": {"values": [0.1, 0.5]}},
    }
    split = {"validation": 0.2, "test": 0.2}
    body = {"dataset": {"builtin": "iris"}, "split": split, "search": search}
    refused = client.post("/v1/jobs", json=body).json()
    assert (refused["status"], refused["param"]) == (422, "search.objective")
    assert "validation_" in refused["detail"]


@pytest.mark.parametrize("path", ["/v1/jobs/validate", "/v1/models/any/predict"])
def test_a_compressed_body_is_read_or_told_so(client: Client, path: str) -> None:
    """B17."""

    def sent(encoding: str, content: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        return client.post(path, content=content, headers=headers)

    body = b'{"dataset": {"builtin": "iris"}, "instances": []}'
    plain = sent("identity", body)
    assert plain.status_code == 422
    for encoding, content in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        assert sent(encoding, content).json() == plain.json()
        answer = sent(encoding, b"\x1f\x8b\x08\x00")
        assert (answer.status_code, answer.json()["code"]) == (400, "damaged_body")
    for encoding in ("br", "zstd"):
        answer = sent(encoding, body)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_content_encoding")


ROWS = [["1", "a"], ["2", "b"], ["4", "a"], ["3", "b"]] * 5


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\n" + table("x;y", ROWS, ";"),
        "sep=\t\r\n" + table("x\ty", ROWS, "\t"),
        '"sep=|"\n' + table("x|y", ROWS, "|"),
        "# made by hand\n# twice\n" + table("x,y", ROWS),
        "\ufeff" + table("x,y", ROWS),
        table("x,y", ROWS).replace("\n", "\r"),
        table('"x";"y"', ROWS, ";"),
    ],
)
def test_files_as_programs_write_them(client: Client, content: str) -> None:
    """B20a: two columns, in their own names."""
    dataset = send(client, content)
    assert kinds(dataset) == {"x": "numeric", "y": "categorical"}
    assert dataset["rows"] == len(ROWS)


@pytest.mark.parametrize("mark", [" ", "   ", ":", "~"])
def test_one_column_that_another_separator_splits(client: Client, mark: str) -> None:
    """B20d: refused with the character to name, which then reads it."""
    content = "\n".join(mark.join(row) for row in [["x", "y"], *ROWS]) + "\n"
    refused = send(client, content)
    assert (refused["code"], refused["param"]) == ("one_column", "separator")
    named = "space" if mark.isspace() else mark
    assert list(kinds(send(client, content, separator=named))) == ["x", "y"]


@pytest.mark.parametrize(
    ("separator", "name"), [(";", "temp (C, mean)"), ("\t", "a, b; c"), ("|", "x,y,z")]
)
def test_a_mark_in_the_header_alone(client: Client, separator: str, name: str) -> None:
    """B20e: the separator is what splits all lines."""
    content = "\n".join(separator.join(row) for row in [[name, "y"], *ROWS]) + "\n"
    assert list(kinds(send(client, content))) == [name, "y"]


@pytest.mark.parametrize(
    "rows",
    [
        [[str(n), ["red", "blue"][n % 2], ["yes", "no"][n % 2]] for n in range(5, 40)],
        [[["a", "b"][n % 2], str(n / 2), str(n)] for n in range(30)],
        [["x", str(n), "2024-01-01"] for n in range(30)],
    ],
)
def test_a_first_line_like_the_others_is_told(client: Client, rows: list[list[str]]) -> None:
    """B20f: as a finding, or refused; one word has it read as data."""
    content = "\n".join(",".join(row) for row in rows) + "\n"
    answer = send(client, content)
    if "findings" in answer:
        (found,) = [one for one in answer["findings"] if one["code"] == "header_looks_like_data"]
        assert found["change"] == {"header": False}
    else:
        assert (answer["code"], "header" in answer["detail"]) == ("no_header", True)
    said = send(client, content, header="false")
    assert said["rows"] == len(rows)
    assert list(kinds(said)) == ["column1", "column2", "column3"]


@pytest.mark.parametrize(
    "content",
    [
        '[{"x":1,"y":"a"},{"x":2,"y":"b"}]',
        '{"x": [1, 2], "y": ["a", "b"]}\n',
        '{"x":1,"y":"a"}\n{"x":2,"y":"b"}\n',
        "<!DOCTYPE html>\n<html><body>Log in</body></html>\n",
        '<?xml version="1.0"?>\n<rows><row x="1"/></rows>\n',
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    ],
)
@pytest.mark.parametrize("name", ["data.csv", "data.txt"])
def test_what_is_no_table_is_called_by_its_name(client: Client, content: str, name: str) -> None:
    """B20g."""
    refused = send(client, content, name)
    assert (refused["status"], refused["code"]) == (422, "unsupported_format")


@pytest.mark.parametrize("at", [[20], [0, 20], [10, 11, 30]])
def test_a_header_that_stands_again(client: Client, at: list[int]) -> None:
    """B20i: these rows are none, and told with their lines."""
    lines = [f"{n},{n * 2.5 + n % 3}" for n in range(40)]
    for place in sorted(at, reverse=True):
        lines.insert(place, "x,y")
    dataset = send(client, "x,y\n" + "\n".join(lines) + "\n", target="y")
    assert kinds(dataset) == {"x": "numeric", "y": "numeric"}
    assert dataset["rows"] == 40
    (found,) = [one for one in dataset["findings"] if one["code"] == "repeated_header"]
    assert len(found["evidence"]["lines"]) == len(at)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("training.batch_size", [8.5, 16]),
        ("training.epochs", [1.5, 2]),
        ("regularization.early_stopping.patience", [0.5, 3]),
    ],
)
def test_the_remedy_for_a_fraction_among_whole_numbers(
    client: Client, path: str, values: list[float]
) -> None:
    """B23: one that the field takes."""
    search = {"trials": 2, "space": {path: {"values": values}}}
    refused = client.post(
        "/v1/jobs", json={"dataset": {"builtin": "iris"}, "search": search}
    ).json()
    assert "whole number" in refused["detail"]
    assert '"integer"' not in refused["detail"]


@pytest.mark.parametrize("empty", ["", "NA", "null"])
@pytest.mark.parametrize("labels", [["0", "1"], ["yes", "no"], ["1.5", "2.5"]])
def test_rows_without_a_target_are_counted(client: Client, empty: str, labels: list[str]) -> None:
    """B25: refused where they are most, unless that is meant."""
    rows = [[n, n % 3, labels[n % 2] if n % 10 == 0 or n % 10 == 5 else empty] for n in range(100)]
    dataset = send(client, table("x,z,y", rows), target="y")
    refused = check(client, dataset)
    assert (refused["code"], refused["param"]) == ("most_rows_have_no_target", "target")
    understood = check(client, dataset, target_missing="drop")["understood"]
    assert understood["rows"] == {"used": 20, "left_out": {"no target": 80}}
    few = send(client, table("x,z,y", [r for r in rows if r[2] != empty or r[0] < 12]), target="y")
    told = check(client, few)
    assert "rows_left_out" in codes(told)
    assert told["understood"]["rows"]["left_out"]["no target"] == 9


@pytest.mark.parametrize("label", ["NA", "None", "null", "n/a"])
def test_a_class_that_looks_like_a_missing_cell(client: Client, label: str) -> None:
    rows = [[n % 5, [label, "EU", "US"][n % 3]] for n in range(60)]
    dataset = send(client, table("x,zone", rows), target="zone")
    if label not in dataset["understood"]["classes"]:
        assert "missing_markers" in codes(dataset, "zone")
        assert dataset["understood"]["rows"]["left_out"] == {"no target": 20}
    kept = check(client, dataset, missing=[""])["understood"]
    assert sorted(kept["classes"]) == sorted([label, "EU", "US"])
    assert kept["rows"]["left_out"] == {}
