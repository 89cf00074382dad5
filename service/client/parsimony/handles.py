"""Jobs, data sets and models as a program holds them: what both clients' handles share."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from parsimony import notebook
from parsimony.answers import (
    Best,
    DatasetData,
    Failure,
    Finding,
    JobData,
    Json,
    MetricsData,
    ModelName,
    State,
    TrialData,
)
from parsimony.tables import Row
from parsimony.words import standing


class JobSnapshot:
    """A job as it was last read.

    Attributes:
        data: the service's answer, whole.
    """

    def __init__(self, data: JobData) -> None:
        self.data = data

    @property
    def id(self) -> str:
        """Its identifier."""
        return self.data["id"]

    @property
    def name(self) -> str:
        """Its label for people."""
        return self.data["name"]

    @property
    def state(self) -> State:
        """Where it stood."""
        return self.data["state"]

    @property
    def advice(self) -> list[Finding]:
        """What is worth knowing about it."""
        return self.data["advice"]

    @property
    def best(self) -> Best | None:
        """The winner, or the best so far."""
        return self.data["best"]

    @property
    def error(self) -> Failure | None:
        """Why it failed, if it did."""
        return self.data["error"]

    @property
    def model_name(self) -> ModelName | None:
        """Where its winner is registered."""
        return self.data["model"]

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<{type(self).__name__} {self.id}{name}: {standing(self.data)}>"

    def _repr_html_(self) -> str:
        return notebook.job(self.data)


class DatasetSnapshot:
    """A data set as it was read at its upload.

    Attributes:
        data: the service's answer, whole.
    """

    def __init__(self, data: DatasetData) -> None:
        self.data = data

    @property
    def id(self) -> str:
        """Its identifier: the ``dataset`` of a job."""
        return self.data["id"]

    @property
    def findings(self) -> list[Finding]:
        """What is worth knowing about it."""
        return self.data["findings"]

    def __repr__(self) -> str:
        columns = len(self.data["columns"])
        return f"<Dataset {self.id} {self.data['name']!r}: {self.data['rows']} rows × {columns}>"

    def _repr_html_(self) -> str:
        return notebook.dataset(self.data)


def specification(dataset: "str | Json | DatasetSnapshot", members: Mapping[str, Any]) -> Json:
    """A job's body: the data set by its handle, id, built-in name or reference, and the rest."""
    if isinstance(dataset, DatasetSnapshot):
        reference: str | Json = dataset.id
    elif isinstance(dataset, str) and not dataset.startswith("ds_"):
        reference = {"builtin": dataset}
    else:
        reference = dataset
    return {"dataset": reference, **{k: v for k, v in members.items() if v is not None}}


def reading_form(given: Mapping[str, object]) -> dict[str, str]:
    """How a file is to be read, as fields of a form: texts as they are, the rest as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
        if value is not None
    }


def leaderboard_rows(trials: Iterable[TrialData]) -> list[Row]:
    """One row a trial, best first: what it is, what a search chose for it, and its metrics."""
    return [
        {
            "trial": trial["id"],
            "name": trial["name"],
            "repeat": trial["repeat"],
            "fold": trial["fold"],
            "state": trial["state"],
            "epochs": trial["epochs"],
            **(trial["overrides"] or {}),
            **trial["metrics"],
        }
        for trial in trials
    ]


def curve_rows(found: Iterable[tuple[TrialData, MetricsData]]) -> list[Row]:
    """One row a trial and epoch, with a column for each metric."""
    return [
        {
            "trial": trial["id"],
            "name": trial["name"],
            "repeat": trial["repeat"],
            "fold": trial["fold"],
            "epoch": epoch,
            **{name: values[index] for name, values in metrics["metrics"].items()},
        }
        for trial, metrics in found
        for index, epoch in enumerate(metrics["epochs"])
    ]
