"""What the demonstration prints and uploads."""

import io

import numpy as np
from rich.console import Console
from rich.table import Table

from service import demo


def printed(table: Table) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(table)
    return console.export_text()


def trial(name: str, **metrics: float) -> dict[str, object]:
    return {"name": name, "metrics": metrics}


def test_the_circle_table_has_the_loss_every_ten_epochs_and_a_dash_for_what_is_unknown() -> None:
    trials = [trial("none", train_accuracy=0.9816), trial("short", train_accuracy=0.5)]
    text = printed(demo.circle_table(trials, [[0.01 * n for n in range(1, 21)], [0.7] * 10]))
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert "0.1000" in rows["10"]
    assert "0.7000" in rows["10"]
    assert "0.2000" in rows["20"]
    assert "–" in rows["20"]
    assert "0.9816" in rows["accuracy"]
    assert "–" in rows["recall"]


def test_the_breast_cancer_table_gives_mean_and_standard_deviation() -> None:
    trials = [trial("none", test_accuracy=value) for value in (0.9, 1.0)]
    assert "0.9500 ± 0.0707" in printed(demo.cancer_table(trials))


def test_the_surface_has_a_cell_for_each_pair_of_bins() -> None:
    found = {
        "x": "regularization.l1.strength",
        "y": "regularization.dropout.p",
        "x_bins": [{"low": 1e-6, "high": 1e-4, "value": None}, {"low": None, "value": 0.01}],
        "y_bins": [{"low": 0.0, "high": 0.4, "value": None}],
        "mean": [[0.125, None]],
    }
    text = printed(demo.surface_table(found))
    assert "1e-06 to 0.0001" in text
    assert "0 to 0.4" in text
    assert "0.1250" in text
    assert "–" in text
    assert "l1.strength" in text


def test_rows_kept_back_are_not_in_the_upload() -> None:
    header, rows, labels = demo.read_breast_cancer()
    sent = np.arange(demo.CANCER_HELD_OUT, len(rows))
    table = demo.known_rows(header, rows, labels, sent)
    assert list(table[0]) == [*header, demo.CANCER_TARGET]
    assert len(table) == 569 - 114
    assert [table[0][name] for name in header] == rows[114]
    assert {row[demo.CANCER_TARGET] for row in table} == {"malignant", "benign"}
