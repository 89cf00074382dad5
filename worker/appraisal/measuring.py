"""How good an ensemble's answers are, on the rows that chose it and on the test rows."""

import numpy as np
import torch
from numpy.typing import NDArray

from worker.appraisal.ensembles import Servable, described
from worker.appraisal.library import Library, LibraryEntry
from worker.appraisal.rows import HeldOut, held_out
from worker.data import Encoder, JointEncoder, Prepared
from worker.metrics import Rule, choose_threshold, margins
from worker.models import Scoring, TrainedModel, weighted_mean
from worker.results import Ensemble, EnsembleMetrics, Metrics

CHUNK = 2**22
"""Numbers of the widest layers of all members that are computed at a time, about."""


def members_of(library: Library, chosen: Servable) -> dict[int, tuple[float, float]]:
    """Share and temperature of each configuration that takes part."""
    return {
        entry.configuration: (chosen.shares[entry.configuration], entry.temperature)
        for entry in library.entries
        if entry.configuration in chosen.shares
    }


def chosen_scores(library: Library, chosen: Servable, model: TrainedModel) -> NDArray[np.float32]:
    """What it says of the rows that chose, ``[N, O]``, in the units of its model."""
    entries = [entry for entry in library.entries if entry.configuration in chosen.shares]
    scores: list[NDArray[np.float32]] = []
    weights: list[float] = []
    for entry in entries:
        own = _repeats(entry, chosen)
        scores.append(own)
        weights += [chosen.shares[entry.configuration] / len(own)] * len(own)
    together = np.concatenate(scores)
    if library.is_regression:
        standard = (together.astype(np.float64) - model.target_center) / model.target_scale
        together = standard.astype(np.float32)
    return weighted_mean(model.target.task, together, np.array(weights))


def _repeats(entry: LibraryEntry, chosen: Servable) -> NDArray[np.float32]:
    kept = entry.scores[:1] if chosen.alone else entry.scores
    return kept if entry.temperature == 1.0 else kept / np.float32(entry.temperature)


def chosen_threshold(
    library: Library, scores: NDArray[np.float32], rule: Rule | float | None
) -> float | None:
    """Of two classes, the threshold that the job asks for; of a rule that which these rows choose,
    none where they are all of one class.
    """
    target = library.held.target
    if rule is None or target.task != "binary":
        return None
    if not isinstance(rule, str):
        return float(rule)
    positive = target.positive_number or 0
    truth = np.asarray(library.held.truth) == positive
    (found,) = choose_threshold(margins(scores[None], positive), truth[None], rule)
    return float(found) if np.isfinite(found) else None


def measured(
    library: Library, prepared: Prepared, chosen: Servable, model: TrainedModel
) -> Ensemble:
    """The ensemble as it is told: its members, and its metrics on both kinds of rows.

    Args:
        library: the rows that chose, and all configurations.
        prepared: the job's data, as the networks of the model were trained.
        chosen: what is served.
        model: the same, from its file.
    """
    test = None
    held = held_out(prepared, "test")
    if len(held):
        test = metrics_of(model, joint_scores(model, prepared, held), held)
    scores = chosen_scores(library, chosen, model)
    return Ensemble(
        method=chosen.method,
        networks=model.members,
        members=described(library, chosen),
        metrics=EnsembleMetrics(choosing=metrics_of(model, scores, library.held) or {}, test=test),
    )


def joint_scores(model: TrainedModel, prepared: Prepared, held: HeldOut) -> NDArray[np.float32]:
    """What a model of several folds' networks says of rows, ``[N, O]``."""
    folds = _folds(model.encoder, prepared)
    size = max(1, CHUNK // model.network.widest)
    parts = []
    for first in range(0, len(held), size):
        rows = held.rows[first : first + size]
        features = np.concatenate([prepared.x[fold][rows] for fold in folds], axis=1)
        parts.append(model.scores(torch.from_numpy(features)).numpy())
    return np.concatenate(parts)


def _folds(encoder: Encoder, prepared: Prepared) -> list[int]:
    """The fold of each of the encoders: those of folds that encode alike are one."""
    parts = encoder.parts if isinstance(encoder, JointEncoder) else (encoder,)
    known = [_constants(own) for own in prepared.encoders]
    return [known.index(_constants(part)) for part in parts]


def _constants(encoder: Encoder) -> list[bytes]:
    return [np.asarray(array).tobytes() for _, array in sorted(encoder.constants().items())]


def metrics_of(model: TrainedModel, scores: NDArray[np.float32], held: HeldOut) -> Metrics | None:
    """All metrics of scores ``[N, O]`` on rows, by name; none without rows."""
    scoring = Scoring(model.target)
    scoring.add(scores, model.read_scores(scores), held.truth)
    return scoring.metrics()
