"""A specification as answers show it: in the long form, without what is off and what is long."""

from collections.abc import Callable, Mapping
from typing import Any

from worker.schema import Json

MOST_SHOWN = 100
"""Entries of a list of rows, or of values to search, that an answer shows."""


def without_off(document: Json) -> Json:
    """A job or a trial as JSON, without the techniques that are off, in each configuration."""
    view = dict(document)
    if isinstance(techniques := view.get("regularization"), dict):
        view["regularization"] = {
            name: settings for name, settings in techniques.items() if settings is not None
        }
    if isinstance(variants := view.get("compare"), list):
        view["compare"] = [without_off(variant) for variant in variants]
    return view


def shown(document: Json) -> Json:
    """A job as JSON, without the techniques that are off; lists of rows and values are cut.

    Of a list that is cut the first ``MOST_SHOWN`` entries are left, and `<name>_count` beside it
    says how many there are. No field of a specification has such a name, so what was cut is
    refused when it is posted again.
    """
    view = without_off(document)
    split, search = view.get("split"), view.get("search")
    if isinstance(split, dict) and isinstance(split.get("rows"), dict):
        view["split"] = split = {**split, "rows": _cut(split["rows"])}
    if isinstance(split, dict) and isinstance(split.get("folds"), list):
        folds = _cut({str(number): rows for number, rows in enumerate(split["folds"])})
        counts = [len(rows) if isinstance(rows, list) else 0 for rows in split["folds"]]
        view["split"] = {**split, "folds": [folds[str(n)] for n in range(len(counts))]}
        if len(folds) > len(counts):
            view["split"]["folds_counts"] = counts
    if isinstance(search, dict) and isinstance(search.get("space"), dict):
        space = {path: _cut(dimension) for path, dimension in search["space"].items()}
        view["search"] = {**search, "space": space}
    return view


def summary_of(document: Json, target: str | None = None) -> Json:
    """What lists show of a job as JSON: its data set's id or name, the target, and how long it is.

    ``target`` is what the job's target was found to be, where that is known.
    """
    dataset, search = document.get("dataset"), document.get("search") or {}
    return {
        "dataset": dataset.get("builtin") if isinstance(dataset, dict) else dataset,
        "target": target or document.get("target"),
        "budget_seconds": search.get("budget_seconds"),
        "open_ended": is_open_ended(search),
    }


def is_open_ended(search: Json) -> bool:
    """Whether only a budget of time says how many trials a job will have."""
    return search.get("budget_seconds") is not None and search.get("trials") is None


def counted(*names: str) -> Callable[[Json], None]:
    """For ``json_schema_extra``: documents the counts of lists that answers cut."""

    def add(schema: Json) -> None:
        for name in names:
            schema["properties"][f"{name}_count"] = {
                "type": "integer",
                "readOnly": True,
                "description": f"In answers, where `{name}` is cut: how many there are.",
            }

    return add


def _cut(lists: Mapping[str, Any]) -> Json:
    cut: Json = {}
    for name, value in lists.items():
        cut[name] = value
        if isinstance(value, list) and len(value) > MOST_SHOWN:
            cut[name] = value[:MOST_SHOWN]
            cut[f"{name}_count"] = len(value)
    return cut
