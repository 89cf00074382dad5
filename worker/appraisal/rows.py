"""The scores of a job's networks on rows that none of them was trained on.

Three kinds of such rows: the test rows; the validation rows; or, of a cross-validation, the rows of
all folds, each answered by the network of the fold that it validates (``out_of_fold``).

A configuration has R networks for a row: its repeats, and on test rows its folds too. All arrays
are ``[R, N, …]``, N rows. Of very many rows some are drawn, so that all scores together fit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.appraisal.contenders import Contender, TrainedTrial
from worker.data import Prepared, Target, leave_pages
from worker.metrics import log_softmax, margins
from worker.models import mean_scores
from worker.results import Part
from worker.spec import LossSpec
from worker.training import DataLoss, data_loss

MOST_SCORES = 2**25
"""Scores that are held of all configurations together: 128 MiB."""
CELLS = 2**20
"""Numbers of the widest layer that are computed at a time, about."""
MOST_NETWORKS = 25
"""Networks, or sets of folds' networks, of one configuration that are looked at, the first."""
TOGETHER = 64
"""Networks of one file that answer at a time."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows that no network which answers them was trained on; N of them."""

    part: Part
    prepared: Prepared
    rows: Rows
    """``[N]``: rows of ``prepared.x``, ascending."""
    fold: Rows | None
    """``[N]``: which fold each validates; none where every network answers all rows."""
    whole: int
    """How many the part has; more than N where some were drawn."""
    loss: LossSpec | None = None
    """The data loss of the networks; that of the task unless given."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def target(self) -> Target:
        """What is predicted."""
        return self.prepared.target

    @property
    def numbers(self) -> Rows:
        """``[N]``: their numbers in the table."""
        return self.prepared.row_numbers[self.rows]

    @property
    def different(self) -> int:
        """How many rows of the table they are: repeated folds have each several times."""
        return len(np.unique(self.rows))

    @property
    def units(self) -> Rows | None:
        """``[N]``: which rows are of one unit, and say little more than one row: those of a group,
        and a row that repeated folds have several times; none where each stands for itself.
        """
        groups = self.prepared.groups
        if groups is not None:
            return groups[self.rows]
        return self.rows if self.different < len(self) else None

    @property
    def truth(self) -> NDArray[Any]:
        """``[N]``: class numbers; of a regression the target in its own unit, float64."""
        prepared = self.prepared
        values = prepared.y[0][self.rows]
        if self.target.task != "regression":
            return np.asarray(values)
        scaled = values.astype(np.float64) * prepared.target_scale[0]
        return np.asarray(scaled + prepared.target_center[0])

    @property
    def weights(self) -> Floats | None:
        """``[N]``: what each row counts; none where all count the same."""
        weights = self.prepared.weights
        return None if weights is None else weights[0][self.rows].astype(np.float64)

    @property
    def data_loss(self) -> DataLoss:
        """The loss of a row by its scores."""
        return data_loss(self.target.task, self.loss)


def held_out(
    prepared: Prepared,
    part: Part | None = None,
    *,
    most: int = MOST_SCORES,
    loss: LossSpec | None = None,
) -> HeldOut:
    """The rows that networks are compared on; N may be 0.

    Args:
        prepared: the job's data, as its trials were trained and measured.
        part: which rows; unless given the test rows if there are any, else the validation rows, of
            a cross-validation those of all folds.
        most: how many at most; of more, as many are drawn.
        loss: the data loss of the networks; that of the task unless given.
    """
    splits = prepared.splits
    if part is None:
        part = "test" if len(splits[0].test) else "validation"
        part = "out_of_fold" if part == "validation" and len(splits) > 1 else part
    fold: Rows | None = None
    if part == "out_of_fold":
        rows = np.concatenate([split.validation for split in splits])
        fold = np.repeat(np.arange(len(splits)), [len(split.validation) for split in splits])
    else:
        rows = splits[0].test if part == "test" else splits[0].validation
    whole = len(rows)
    chosen = np.argsort(rows, kind="stable")
    if whole > most:
        chosen = np.sort(np.random.default_rng(0).permutation(whole)[:most])
        chosen = chosen[np.argsort(rows[chosen], kind="stable")]
    own = None if fold is None else fold[chosen]
    return HeldOut(part, prepared, rows[chosen], own, whole, loss)


@dataclass(frozen=True, eq=False)
class RowScores:
    """What the R networks of a configuration say of N rows.

    ``targets``, ``unit``, ``center`` and ``thresholds`` are each ``[R or 1, N or 1]``.
    """

    held: HeldOut
    places: Sequence[tuple[int, int | None]]
    """``[R]``: repeat and fold of each network; no fold where those of all folds are one answer."""
    scores: NDArray[np.float32]
    """``[R, N, O]``: logits; of a regression the target as preprocessed in the network's split. An
    ensemble's are those of its members' mean."""
    targets: NDArray[Any]
    """Class numbers; of a regression the target as preprocessed."""
    unit: Floats
    """The length of one preprocessed unit in the target's own."""
    center: Floats
    """What was subtracted from the target."""
    thresholds: Floats
    """Of two classes, the probability from which the positive is answered."""

    @property
    def task(self) -> str:
        """What is predicted."""
        return self.held.target.task

    def losses(self) -> Floats:
        """``[R, N]``: the data loss of each row, the mean of which is measured as ``…_loss``:
        −log p(true class) in nats, or (s − y)² of the target as preprocessed, unless the job asks
        for another one.
        """
        if self.held.loss is not None:
            scores = torch.from_numpy(self.scores.astype(np.float64))
            targets = np.broadcast_to(self.targets.astype(np.float64), self.scores.shape[:2])
            value = self.held.data_loss.value(scores, torch.from_numpy(targets.copy()))
            return np.asarray(value.numpy())
        if self.task == "regression":
            return np.asarray(np.square(self.scores[..., 0].astype(np.float64) - self.targets))
        if self.task == "binary":
            logits = self.scores[..., 0].astype(np.float64)
            return np.asarray(np.logaddexp(0.0, np.where(self.targets == 1, -logits, logits)))
        log_p = log_softmax(self.scores)
        truth = np.broadcast_to(self.targets, log_p.shape[:2])
        return -np.take_along_axis(log_p, truth[..., None], axis=2)[..., 0]

    def values(self) -> Floats:
        """``[R, N]``: the answers of a regression, in the target's own unit."""
        scores = self.scores[..., 0].astype(np.float64)
        if self.held.data_loss.log_link:
            with np.errstate(over="ignore"):
                scores = np.exp(scores)
        return np.asarray(scores * self.unit + self.center)

    def answers(self) -> NDArray[np.int64]:
        """``[R, N]``: the number of the class that is answered."""
        positive = self.held.target.positive_number
        if positive is None:
            return np.asarray(self.scores.argmax(2))
        with np.errstate(divide="ignore"):
            cuts = np.log(self.thresholds) - np.log1p(-self.thresholds)
        above = margins(self.scores, positive).astype(np.float64) >= cuts
        return np.where(above, positive, 1 - positive)

    def right(self) -> NDArray[np.bool_]:
        """``[R, N]``: whether the class that is answered is the true one."""
        return np.asarray(self.answers() == self.targets)

    def errors(self) -> Floats:
        """``[R, N]``: (ŷ − y)² of a regression, in the square of the target's own unit."""
        if self.held.loss is None:
            return self.losses() * np.square(self.unit)
        truth = self.targets.astype(np.float64) * self.unit + self.center
        return np.asarray(np.square(self.values() - truth))


def row_scores(
    held: HeldOut, contenders: Sequence[Contender], device: str = "cpu"
) -> list[RowScores | None]:
    """What each configuration's networks say of the rows, in eval mode.

    None of a configuration where no network answers: of a cross-validation a repeat counts only if
    all its folds were trained, or the rows of one would be missing.
    """
    used = [_used(held, contender) for contender in contenders]
    wanted = [trained for replicas in used for replica in replicas for trained in replica]
    answers = _answered(held, wanted, device)
    return [_joined(held, replicas, answers) if replicas else None for replicas in used]


def _used(held: HeldOut, contender: Contender) -> list[list[TrainedTrial]]:
    """The networks of each of the R answers: one, or one a fold."""
    if held.fold is None:
        return [[trained] for trained in contender.trials[:MOST_NETWORKS]]
    folds = len(held.prepared.splits)
    by_repeat = groupby(contender.trials, key=lambda trained: trained.trial.repeat)
    whole = (list(replica) for _, replica in by_repeat)
    return [replica for replica in whole if len(replica) == folds][:MOST_NETWORKS]


def _own(held: HeldOut, trained: TrainedTrial) -> NDArray[np.bool_] | slice:
    """Which of the rows a network answers."""
    return slice(None) if held.fold is None else held.fold == (trained.trial.fold or 0)


def _answered(
    held: HeldOut, wanted: Sequence[TrainedTrial], device: str
) -> dict[int, NDArray[np.float32]]:
    """Scores ``[n, O]`` of each network on its rows, by its identity; those of one file and fold
    together.
    """
    together: dict[tuple[int, int, int | None], list[TrainedTrial]] = {}
    for trained in wanted:
        is_ensemble = trained.file.manifest.members[trained.position] > 0
        key = (id(trained.file), trained.trial.fold or 0, id(trained) if is_ensemble else None)
        together.setdefault(key, []).append(trained)
    answers: dict[int, NDArray[np.float32]] = {}
    for (_, fold, _), group in together.items():
        x = held.prepared.x[fold]
        for first in range(0, len(group), TOGETHER):
            some = group[first : first + TOGETHER]
            for trained, scores in zip(
                some, network_scores(some, x, held.rows[_own(held, some[0])], device), strict=True
            ):
                answers[id(trained)] = scores
    # Rows that are drawn are near all others: what is compared next would come on top of a file.
    leave_pages(held.prepared.x)
    return answers


@torch.inference_mode()
def network_scores(
    trained: Sequence[TrainedTrial], x: NDArray[np.float32], rows: Rows, device: str = "cpu"
) -> NDArray[np.float32]:
    """Scores ``[K, n, O]`` of K networks of one file, or of one ensemble, on rows of x ``[N, …]``.

    They are computed so many rows at a time as keep the widest layer within the cache.
    """
    file, positions = trained[0].file, [one.position for one in trained]
    members = file.manifest.members[positions[0]]
    network = (file.network(positions[0]) if members else file.networks(positions)).to(device)
    count = max(len(positions), members)
    size = max(1, CELLS // (network.widest * count))
    blocks: list[Tensor] = []
    for part in _blocks(rows, size):
        features = torch.from_numpy(x[part]).to(device)
        # The layers' products take all networks' rows as a copy of their own.
        scores = network(features.expand(count, *features.shape).contiguous())
        if members:
            most = torch.tensor([members], device=device)
            scores = mean_scores(file.target().task, scores[None], most)
        blocks.append(scores.cpu())
    return torch.cat(blocks, dim=1).numpy()


def _blocks(rows: Rows, size: int) -> Iterator[Rows]:
    for first in range(0, max(1, len(rows)), size):
        yield rows[first : first + size]


def _joined(
    held: HeldOut, replicas: Sequence[Sequence[TrainedTrial]], answers: dict[int, NDArray[Any]]
) -> RowScores:
    scores = np.empty((len(replicas), len(held), held.target.outputs), dtype=np.float32)
    thresholds = np.full((len(replicas), len(held) if held.fold is not None else 1), 0.5)
    for place, replica in enumerate(replicas):
        for trained in replica:
            own = _own(held, trained)
            scores[place, own] = answers[id(trained)]
            thresholds[place, own] = trained.file.threshold(trained.position)
    places: list[tuple[int, int | None]]
    if held.fold is not None:
        places = [(replica[0].trial.repeat, None) for replica in replicas]
    else:
        places = [(one.trial.repeat, one.trial.fold) for (one,) in replicas]
    return scores_at(held, places, scores, thresholds)


def scores_at(
    held: HeldOut,
    places: Sequence[tuple[int, int | None]],
    scores: NDArray[np.float32],
    thresholds: Floats | None = None,
    *,
    with_offset: bool = True,
) -> RowScores:
    """Scores ``[R, N, O]`` of R networks of some repeats and folds, with what they are compared to;
    thresholds, ``[R, N or 1]``, are one half unless given. A row's offset is added here, unless
    the scores need none.
    """
    prepared, folds = held.prepared, folds_of(held, places)
    if prepared.offset is not None and with_offset:
        scores = scores + prepared.offset[folds, held.rows[None]][..., None]
    return RowScores(
        held=held,
        places=places,
        scores=scores,
        targets=prepared.y[folds, held.rows[None]],
        unit=prepared.target_scale[folds],
        center=prepared.target_center[folds],
        thresholds=np.full((1, 1), 0.5) if thresholds is None else thresholds,
    )


def folds_of(held: HeldOut, places: Sequence[tuple[int, int | None]]) -> Rows:
    """The split by which each network takes each row, ``[1, N]`` or ``[R, 1]``."""
    if held.fold is not None:
        return np.asarray(held.fold[None])
    return np.array([[fold or 0] for _, fold in places])
