"""The rows on which the served network, or networks, are fitted to say how sure they are.

They did not train what answers them. A network that is served as it was measured answers its own
validation rows. In place of one that is trained once more, on those rows too, those answer that it
follows from: the network of its configuration or, of a cross-validation, the network of each fold.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.appraisal.contenders import Contender, TrainedTrial
from worker.appraisal.ensembles import Servable
from worker.appraisal.library import Library
from worker.appraisal.measuring import chosen_scores, joint_scores
from worker.appraisal.rows import HeldOut, RowScores, held_out, row_scores
from worker.appraisal.uncertainty import (
    AppraisedUncertainty,
    CalibrationRows,
    appraise_uncertainty,
)
from worker.data import Prepared
from worker.models import TrainedModel
from worker.results import Part

MOST_ROWS = 20_000
"""Rows that fit, and that measure, at most; of more some are drawn."""

CHOSEN_HERE = (
    "These rows also chose the winner, so that a temperature and intervals fitted on them are "
    "somewhat too sure; what the test rows show is not touched by that."
)
TRAINED_ONCE_MORE = (
    "The network that answers was trained once more, on these rows as well. What its answers are "
    "compared by comes from networks that were not, so that the promised coverage holds nearly, "
    "not exactly."
)
SEVERAL = (
    "Each row was answered by those of the networks alone that were not trained on it, and the "
    "mean of all of them answers; the promised coverage holds nearly, not exactly."
)


@dataclass(frozen=True, eq=False)
class ServedTrial:
    """The trial that a job serves."""

    id: str
    trained: TrainedTrial
    winner: Contender
    """The configuration that won, as its trials were measured."""
    competing: int
    """How many configurations it was chosen from."""
    data: Prepared
    """The job's data, as its trials were trained and measured."""
    refit_data: Prepared | None = None
    """The same as the refits saw them, where the trial is one."""
    device: str = "cpu"
    """Where its networks answer."""


def served_uncertainty(served: ServedTrial) -> AppraisedUncertainty | None:
    """What the served trial keeps, and how good that is; none without rows held back."""
    loss = served.trained.trial.training.loss
    again = served.refit_data is not None
    fitting = _winners_rows(served) if again else _own_rows(served)
    if fitting is None:
        return None
    notes = [CHOSEN_HERE] if served.competing > 1 else []
    notes += [TRAINED_ONCE_MORE] if again else []
    data = served.data if served.refit_data is None else served.refit_data
    alone = Contender(served.winner.configuration, served.winner.name, [served.trained])
    return appraise_uncertainty(
        served.data.target,
        loss,
        fitting,
        _answered(held_out(data, "test", most=MOST_ROWS, loss=loss), alone, served.device),
        notes=notes,
        trial=served.id,
    )


def joint_uncertainty(
    library: Library,
    chosen: Servable,
    model: TrainedModel,
    prepared: Prepared,
    *,
    again: bool = False,
) -> AppraisedUncertainty | None:
    """The same of an ensemble, or of what is served in the winner's place.

    Args:
        library: the rows that chose, and all configurations.
        chosen: what is served.
        model: the same, from its file.
        prepared: the job's data, as its networks were trained.
        again: whether these were trained once more, on the rows that chose too.
    """
    held = library.held
    scores = chosen_scores(library, chosen, model)
    fitting = _of_scores(held.part, model, scores, held)
    test_rows, test = held_out(prepared, "test", most=MOST_ROWS), None
    if len(test_rows):
        test = _of_scores("test", model, joint_scores(model, prepared, test_rows), test_rows)
    several = held.fold is not None and not again
    notes = [CHOSEN_HERE, *([TRAINED_ONCE_MORE] * again), *([SEVERAL] * several)]
    return appraise_uncertainty(model.target, None, fitting, test, notes=notes)


def _of_scores(
    part: Part, model: TrainedModel, scores: NDArray[np.float32], held: HeldOut
) -> CalibrationRows:
    values = model.read_scores(scores).values
    return CalibrationRows(part, scores if values is None else values, held.truth, held.weights)


def _winners_rows(served: ServedTrial) -> CalibrationRows | None:
    """The validation rows, or those of all folds, by the winner's first repeat."""
    part: Part = "out_of_fold" if len(served.data.splits) > 1 else "validation"
    loss = served.trained.trial.training.loss
    held = held_out(served.data, part, most=MOST_ROWS, loss=loss)
    return _answered(held, served.winner, served.device)


def _own_rows(served: ServedTrial) -> CalibrationRows | None:
    """The validation rows of the trial's own split."""
    trial = served.trained.trial
    rows = np.sort(served.data.splits[trial.fold or 0].validation)
    whole = len(rows)
    if whole > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])
    held = HeldOut("validation", served.data, rows, None, whole, trial.training.loss)
    alone = Contender(served.winner.configuration, served.winner.name, [served.trained])
    return _answered(held, alone, served.device)


def _answered(held: HeldOut, contender: Contender, device: str) -> CalibrationRows | None:
    """What the first network of a configuration says of rows, or its first of each fold."""
    if not len(held):
        return None
    (scores,) = row_scores(held, [contender], device)
    if scores is None:
        return None
    return CalibrationRows(held.part, _first(scores), held.truth, held.weights)


def _first(scores: RowScores) -> NDArray[Any]:
    if scores.task == "regression":
        return np.asarray(scores.values()[0])
    return np.asarray(scores.scores[0])
