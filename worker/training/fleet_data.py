"""A prepared data set on the device, and the rows that each trial of a fleet sees."""

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.data import Prepared
from worker.regularization import derive_seed
from worker.spec import Trial, quantile_of
from worker.training.losses import data_loss
from worker.training.measured_rows import measured_places

PARTS = ("train", "validation", "test")
BLOCK = 32
"""TrialRows that are measured together at least."""


class TrialRows(NamedTuple):
    """Some rows, as each trial sees them."""

    x: Tensor
    """``[K, B, …]``."""
    y: Tensor
    """``[K, B]``."""
    weights: Tensor | None = None
    """What each row's loss counts, ``[K, B]``, with a mean of 1 over the training rows; 1 unless
    the job has weights."""
    offset: Tensor | None = None
    """What is added to each row's score, ``[K, B]``; nothing unless the job has an offset."""

    def scored(self, scores: Tensor) -> Tensor:
        """The network's scores ``[K, B, O]`` with the offset added."""
        return scores if self.offset is None else scores + self.offset.unsqueeze(2)


class FleetData:
    """Features and targets of all splits, stacked; a row is addressed by split·N + row.

    Trials of one split and one seed see the same batches; then one copy serves all of them.
    """

    def __init__(self, trials: Sequence[Trial], prepared: Prepared, device: str) -> None:
        self.task = prepared.target.task
        self.classes = prepared.target.classes
        loss = trials[0].training.loss
        self.loss = data_loss(self.task, loss)
        self.quantile = quantile_of(loss)
        splits, rows, *shape = prepared.x.shape
        self.x = _tensor(prepared.x).reshape(splits * rows, *shape).to(device)
        y = torch.from_numpy(np.ascontiguousarray(prepared.y)).reshape(splits * rows)
        self.y = (y if self.task == "multiclass" else y.float()).to(device)
        self.weights, self.offset = (
            None if rows_of is None else torch.from_numpy(rows_of.reshape(-1)).to(device)
            for rows_of in (prepared.weights, prepared.offset)
        )  # [S·N], float32
        self.split = torch.tensor([trial.fold or 0 for trial in trials], device=device)
        self.unit = torch.from_numpy(prepared.target_scale).to(device)[self.split]
        self.center = torch.from_numpy(prepared.target_center).to(device)[self.split]
        number = prepared.target.positive_number
        self.positive = 1 if number is None else number
        folds = torch.unique(self.split).tolist()
        parts = {
            part: torch.stack(
                [
                    torch.from_numpy(getattr(prepared.splits[fold], part)).int() + fold * rows
                    for fold in folds
                ]
            )
            for part in PARTS
        }  # [folds, n] int32: of the folds that these trials use; in one fleet n is one for all
        self.parts = {part: index.to(device) for part, index in parts.items()}
        self._train = parts["train"]  # on the processor, where orders are drawn
        self._fold = torch.searchsorted(torch.tensor(folds, device=device), self.split)
        most = trials[0].training.evaluate.train_rows
        samples = [measured_places(prepared, fold, most) for fold in folds]
        taken = [torch.from_numpy(sample) for sample in samples if sample is not None]
        self._measured = dict(self.parts)
        """As ``parts``; of many training rows some."""
        if taken:
            self._measured["train"] = parts["train"].gather(1, torch.stack(taken)).to(device)
        streams = [
            (trial.training.seed, fold)
            for trial, fold in zip(trials, self._fold.tolist(), strict=True)
        ]
        self._streams = list(dict.fromkeys(streams))
        self._trials = len(streams)
        self._stream: Tensor | None = None
        """``[K]``: which stream's order is each trial's; none where that says itself."""
        if 1 < len(self._streams) < len(streams):
            place = {stream: index for index, stream in enumerate(self._streams)}
            self._stream = torch.tensor([place[stream] for stream in streams], device=device)

    @property
    def fold(self) -> Tensor:
        """``[K]``: which row of ``parts`` is each trial's."""
        return self._fold

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row: (F,), (C, L) or (C, H, W)."""
        return tuple(self.x.shape[1:])

    def order(self, epoch: int, size: int) -> tuple[Tensor, ...]:
        """The training rows in the order of an epoch, in batches of ``size`` and a smaller last one

        ``[D, B]`` int32: one order for each of the D seeds and folds that differ. They are made the
        trials' by ``of_trials``. Each order is drawn from (seed, epoch) alone: nothing to save,
        nothing to replay.
        """
        streams = len(self._streams)
        whole, rest = divmod(self._train.shape[1], size)
        batches = torch.empty(whole, streams, size, dtype=torch.int32)
        last = torch.empty(streams, rest, dtype=torch.int32)
        for number, (seed, fold) in enumerate(self._streams):
            rows = self._train[fold]
            generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
            order = rows.index_select(0, torch.randperm(len(rows), generator=generator))
            batches[:, number] = order[: whole * size].view(whole, size)
            last[number] = order[whole * size :]
        # Few transfers, and every batch in one piece.
        parts = batches.to(self.x.device).unbind()
        return (*parts, last.to(self.x.device)) if rest else parts

    def of_trials(self, batch: Tensor) -> Tensor:
        """Some rows of an order ``[D, B]`` → each trial's ``[K, B]``; ``[1, B]`` if all agree."""
        return batch if self._stream is None else batch[self._stream]

    def class_rows(self) -> Tensor:
        """``[K, C]``: how many training rows of each class a trial has."""
        classes = len(self.classes)
        if not classes:
            return self._fold.new_zeros(len(self._fold), 0)
        labels = self.y[self.parts["train"]].long()  # [folds, n]
        counts = [torch.bincount(fold, minlength=classes) for fold in labels]
        return torch.stack(counts)[self._fold]

    def gather(self, rows: Tensor) -> TrialRows:
        """What lies at rows ``[K, B]`` or ``[1, B]``."""
        trials, flat = self._trials, rows.reshape(-1)
        x = self.x.index_select(0, flat).view(*rows.shape, *self.shape)
        y, weights, offset = (
            None if of is None else of.index_select(0, flat).view(rows.shape).expand(trials, -1)
            for of in (self.y, self.weights, self.offset)
        )
        if y is None:
            raise ValueError("rows have targets")
        return TrialRows(x.expand(trials, *x.shape[1:]), y, weights, offset)

    def rows(self, part: str) -> int:
        """How many rows a part has."""
        return self.parts[part].shape[1]

    def rows_measured(self, part: str) -> int:
        """How many of them are measured."""
        return self._measured[part].shape[1]

    def batches(self, part: str, size: int) -> Iterator[TrialRows]:
        """A part's rows in order, ``size`` at a time, for every trial."""
        for index in torch.split(self.parts[part], size, dim=1):
            yield self.gather(self._of_folds(index))

    def measured(self, part: str, size: int, most: int | None = None) -> Iterator[TrialRows]:
        """A part's rows that are measured, in order for every trial, about ``size`` at a time.

        Whole blocks of ``BLOCK`` rows come together and the rest apart, whatever the size: how many
        rows a matrix product has may change their last bits, but not between multiples of a block.
        Of more than ``most`` rows, that many are taken, evenly spaced.
        """
        index = self._measured[part]
        rows = index.shape[1]
        if most is not None and rows > most:
            index = index[:, torch.arange(most, device=index.device) * rows // most]
            rows = most
        whole = rows // BLOCK * BLOCK
        for blocks in torch.split(index[:, :whole], max(1, size // BLOCK) * BLOCK, dim=1):
            if blocks.shape[1]:
                yield self.gather(self._of_folds(blocks))
        if whole < rows:
            yield self.gather(self._of_folds(index[:, whole:]))

    def _of_folds(self, index: Tensor) -> Tensor:
        """Rows of the folds ``[folds, B]`` → each trial's ``[K, B]``; ``[1, B]`` of one fold."""
        return index[self._fold] if len(index) > 1 else index


def _tensor(x: NDArray[np.float32]) -> Tensor:
    """The same memory, which may be pages of a file that cannot be written to. Nobody does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(x)
