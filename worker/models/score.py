"""The score of a model on rows whose truth is known: the metrics of training, on other rows."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from worker.data import Notation, Table, Target, categorical, is_missing, numeric
from worker.errors import DataError
from worker.metrics import (
    confusion,
    final_classification,
    final_regression,
    from_confusion,
    from_squares,
)
from worker.models.answers import Answers
from worker.models.trained_model import TrainedModel

MOST_ROWS = 1_000_000
MOST_SCORES = 8_000_000
"""Rows and their scores that are held: what sorts them takes some 100 bytes each."""


@dataclass
class Score:
    """Takes answers and truth a block at a time. Rows whose truth is not known are counted only."""

    model: TrainedModel
    notation: Notation | None = None
    """How numbers of the target are written as texts, if not plainly."""
    rows: int = 0
    _scores: list[NDArray[np.float32]] = field(default_factory=list)
    _best: list[NDArray[np.int64]] = field(default_factory=list)
    _truth: list[NDArray[Any]] = field(default_factory=list)
    _held: int = 0

    def add(self, scores: NDArray[np.float32], answers: Answers, target: pa.Array) -> None:
        """A block: scores ``[N, O]``, what they say, and the cells of the target, ``[N]``.

        Raises:
            DataError: there are more rows than are held.
        """
        truth = true_values(self.model.target, target, self.notation)
        known = ~np.isnan(truth) if self.model.target.task == "regression" else truth >= 0
        self.rows += len(truth)
        self._held += int(known.sum())
        if self._held > MOST_ROWS or self._held * scores.shape[1] > MOST_SCORES:
            raise DataError(
                f"A score is computed of at most {MOST_ROWS:,} rows and {MOST_SCORES:,} scores, since "
                "all are held. Send a sample of the rows.",
                code="too_many_rows",
                param="score",
            )
        self._scores.append(scores[known])
        self._truth.append(truth[known])
        if answers.best is not None:
            self._best.append(answers.best[known])

    @property
    def scored(self) -> int:
        """Rows whose truth is known."""
        return self._held

    def metrics(self) -> dict[str, float | None]:
        """The metrics by name (``worker/metrics/definitions.py``); null where one is not defined.

        Raises:
            DataError: no row has a target that is known.
        """
        if not self._held:
            raise DataError(
                f"No row has a known value of the target {self.model.target.column!r}; there is "
                "nothing to score.",
                code="nothing_to_score",
                param="score",
            )
        scores, truth = np.concatenate(self._scores)[None], np.concatenate(self._truth)[None]
        if self.model.target.task == "regression":
            found = self._regression(scores[..., 0], truth)
        else:
            best = np.concatenate(self._best)[None]
            positive = self.model.target.positive_number
            positive = 1 if positive is None else positive
            table = confusion(best, truth, len(self.model.target.classes))
            found = from_confusion(table, positive) | final_classification(scores, truth, positive)
        values = {name: float(value[0]) for name, value in found.items()}
        return {name: value if isfinite(value) else None for name, value in values.items()}

    def _regression(
        self, scores: NDArray[np.float32], truth: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        unit = np.array([self.model.target_scale])
        center = np.array([self.model.target_center])
        y = (truth - center[:, None]) / unit[:, None]
        errors = np.square(scores.astype(np.float64) - y).mean(1)
        equal = (truth == truth[:, :1]).all(1)
        deviations = np.where(equal, 0.0, np.square(y - y.mean(1, keepdims=True)).mean(1))
        return from_squares(errors, deviations, unit) | final_regression(scores, y, unit, center)


def true_values(target: Target, cells: pa.Array, notation: Notation | None) -> NDArray[Any]:
    """The target's values in a column of a file: as `Target.values` has them of a table's."""
    if pt.is_dictionary(cells.type):
        cells = pc.cast(cells, cells.type.value_type)
    name = target.column
    if pt.is_integer(cells.type) or pt.is_floating(cells.type) or pt.is_decimal(cells.type):
        numbers = pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return target.values(Table.of([numeric(name, numbers)]))
    texts = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
    encoded = pc.dictionary_encode(texts)
    distinct = encoded.dictionary.to_pylist()
    absent = [text not in target.classes and is_missing(text) for text in distinct]
    lookup = np.array([-1 if gone else at for at, gone in enumerate(absent)] + [-1])
    codes = lookup[pc.fill_null(encoded.indices, len(distinct)).to_numpy(zero_copy_only=False)]
    typed, values = categorical(name, distinct, codes)
    typed = typed.model_copy(update={"notation": notation})
    return target.values(Table.of([(typed, values)]))
