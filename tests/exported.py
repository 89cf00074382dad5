"""Models to be exported: quickly trained on a table of all kinds of columns, or on images."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data import Outline, Table, prepare
from worker.data.table import Cells, categorical, dates, images, numeric
from worker.models import TrainedModel
from worker.models.export import ExportSource
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun

ORIGIN = ExportSource("a model", 3, "0" * 64)
ROWS = 90
CITIES = ("Köln", "Ulm", "zzz rare")
EPOCH = datetime(1970, 1, 1)
CLASSES = {"binary": ("no", "yes"), "multiclass": ("3", "5", "10")}
Record = dict[str, Any]

RECORDS: list[Record] = [
    {"label": 1.5, "city": "Ulm", "since (day)": "2021-03-05", "sum": -2.0, "colour": "red"},
    {"label": None, "city": None, "since (day)": None, "sum": None, "colour": None},
    {"label": 0.0, "city": "Atlantis", "since (day)": "2024-02-29", "sum": 1e9, "colour": "blue"},
    {
        "label": -7e12,
        "city": "Köln",
        "since (day)": "1900-01-01 18:30",
        "sum": 3,
        "colour": "mauve",
    },
    {"label": 2.25, "city": "", "since (day)": "2020-12-31 23:59", "sum": 0.1, "colour": "blue"},
]
"""As JSON has them: missing cells, unknown categories, extreme numbers, times of day."""

EMBEDDED: dict[str, dict[str, Any]] = {
    "periodic": {
        "network": {"kind": "mlp", "hidden": [7], "embedding": {"kind": "periodic"}},
        "preprocessing": {"numeric": "robust_smooth_clip"},
        "regularization": {"batch_norm": {}},
    },
    "bins": {
        "network": {
            "kind": "residual_mlp",
            "width": 6,
            "blocks": 1,
            "embedding": {"kind": "piecewise_linear", "by": "tree", "bins": 5, "dimension": 3},
        },
    },
    "bins alone": {
        "network": {"kind": "mlp", "hidden": [7], "embedding": {"kind": "piecewise_linear"}},
    },
}
"""Networks whose numbers enter through embeddings."""


def mixed_table(task: str) -> Table:
    """Numbers, texts and dates by turns; a column is called as an answer is, one has blanks."""
    random = np.random.default_rng(1)
    numbers = random.normal(size=(ROWS, 2))
    numbers[::9, 0] = np.nan
    city, colour = random.integers(-1, 2, ROWS), random.integers(0, 2, ROWS)
    city[0] = 2
    days = 18_000 + random.integers(0, 2_000, ROWS) + random.integers(0, 4, ROWS) / 4
    hint = np.nan_to_num(numbers[:, 0]) + 2 * numbers[:, 1] + colour
    columns = [
        numeric("label", numbers[:, 0]),
        categorical("city", CITIES, city),
        dates("since (day)", days),
        numeric("sum", numbers[:, 1]),
        categorical("colour", ("blue", "red"), colour),
    ]
    return Table.of([*columns, target_column(task, hint)])


def picture_table(task: str) -> Table:
    """Images of 2 channels, bytes."""
    pixels = np.random.default_rng(2).integers(0, 256, (ROWS, 2, 5, 6), dtype=np.uint8)
    return Table.of([images("picture", pixels), target_column(task, pixels.mean((1, 2, 3)))])


def target_column(task: str, hint: NDArray[Any]) -> Cells:
    """What is predicted: larger where the hint is."""
    if task == "regression":
        return numeric("y", 1000 + 7 * hint)
    names = CLASSES[task]
    places = np.argsort(np.argsort(hint)) * len(names) // len(hint)
    return categorical("y", names, places)


def run(table: Table, **job: Any) -> FleetRun:
    """A fleet of a job on a table, trained."""
    training = {"epochs": 2, "batch_size": 32}
    body = {"dataset": {"builtin": "circle"}, "target": "y", "training": training, **job}
    spec = JobSpec.model_validate(body)
    (planned,) = plan(spec, Outline.of(table, spec, "y"))
    fleet = FleetRun(planned.trials, prepare(table, spec, "y"))
    for _ in fleet.epochs():
        pass
    return fleet


def model_of(table: Table, **job: Any) -> tuple[bytes, TrainedModel]:
    """A model file and its first model."""
    data = run(table, **job).result().dump()
    return data, TrainedModel.load(data, 0)


def feeds(records: list[Record]) -> dict[str, NDArray[Any]]:
    """What docs/export.md tells to do with raw columns."""
    columns: dict[str, NDArray[Any]] = {}
    for name in records[0]:
        cells = [record[name] for record in records]
        if name in ("city", "colour"):
            columns[name] = np.array([[cell or ""] for cell in cells], dtype=object)
        elif name == "since (day)":
            columns[name] = np.array([[days_of(cell)] for cell in cells])
        else:
            columns[name] = np.array([[np.nan if c is None else c] for c in cells], dtype=float)
    return columns


def days_of(text: str | None) -> float:
    """Days since 1970-01-01."""
    if text is None:
        return np.nan
    return (datetime.fromisoformat(text) - EPOCH) / timedelta(days=1)
