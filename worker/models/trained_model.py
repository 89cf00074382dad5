"""A trained model: one trial of a fleet's model file, ready to answer, alone or as an ensemble."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from worker.data import Encoder, Expectations, Records, Table, Target
from worker.models.file import ModelFile
from worker.networks import Network
from worker.regularization import SnapshotEnsemble
from worker.results import Prediction, PredictionWarning
from worker.spec import TaskKind, Trial


@dataclass(frozen=True)
class TrainedModel:
    """Preprocessing, network and target of one trial. The network is in eval mode, and stays so."""

    trial: Trial
    target: Target
    encoder: Encoder
    network: Network
    members: int
    """Networks that answer together, the trial dimension of ``network``; 1 or an ensemble's."""
    target_center: float
    target_scale: float
    probe_features: Tensor
    """``[1, R, …]``: rows whose answers were recorded when training ended."""
    probe_scores: Tensor
    """``[1, R, O]``: those answers."""
    threshold: float = 0.5
    """Of a binary task: the probability of the positive class from which it is answered."""

    @classmethod
    def load(cls, data: bytes, position: int) -> "TrainedModel":
        """Read trial ``position`` of a fleet's model file.

        Raises:
            ModelError: the file is no model file, or has no such trial.
        """
        file = ModelFile.load(data)
        trial = file.trial(position)
        split = trial.fold or 0
        return cls(
            trial=trial,
            target=file.target(),
            encoder=file.encoder(split),
            network=file.network(position),
            members=max(1, file.manifest.members[position]),
            target_center=float(file.tensors["target.center"][split]),
            target_scale=float(file.tensors["target.scale"][split]),
            probe_features=file.tensors["probe.features"][split : split + 1],
            probe_scores=file.tensors["probe.scores"][position : position + 1],
            threshold=file.threshold(position),
        )

    @torch.inference_mode()
    def scores(self, features: Tensor) -> Tensor:
        """Encoded features ``[B, …]`` → scores ``[B, O]``; an ensemble's of its members' mean."""
        if self.members < 2:
            scores: Tensor = self.network(features[None])[0]
            return scores
        members = self.network(features.expand(self.members, *features.shape))
        count = torch.tensor([self.members], device=features.device)
        return mean_scores(self.target.task, members[None], count)[0]

    def probabilities(self, features: Tensor) -> Tensor:
        """Encoded features ``[B, F]`` → class probabilities ``[B, C]`` (classification only)."""
        return self._to_probabilities(self.scores(features))

    def _to_probabilities(self, scores: Tensor) -> Tensor:
        if self.target.task == "binary":
            return torch.cat([torch.sigmoid(-scores), torch.sigmoid(scores)], dim=1)
        return scores.softmax(1)

    def answers(self, scores: Tensor) -> list[int]:
        """Scores ``[B, O]`` → the class that is answered: the most probable, or of a binary task
        the positive one from the threshold on.
        """
        positive = self.target.positive_number
        if positive is None:
            rows = self._to_probabilities(scores).tolist()
            return [max(range(len(row)), key=row.__getitem__) for row in rows]
        logits = scores[:, 0].double() if positive == 1 else -scores[:, 0].double()
        cut = torch.logit(torch.tensor(self.threshold, dtype=torch.float64))
        return [positive if above else 1 - positive for above in (logits >= cut).tolist()]

    def values(self, features: Tensor) -> Tensor:
        """Encoded features ``[B, F]`` → predicted values ``[B]`` in the target's own unit."""
        return self.scores(features)[:, 0].double() * self.target_scale + self.target_center

    def encode(self, table: Table) -> Tensor:
        """Rows of a table → features ``[B, F]``."""
        return torch.from_numpy(self.encoder.transform(table))

    def read(self, instances: Sequence[Any], *, extra: bool = False) -> Records:
        """Read records: objects by column name, or arrays in column order.

        The target and the columns that were left out may stand in an object; with `extra` any
        other columns too.

        Raises:
            DataError: naming the instance and the column.
        """
        return Records.read(
            self.encoder.columns,
            instances,
            beside=(self.target.column, *self.encoder.left_out),
            extra=extra,
            as_bytes=self.encoder.pixels is not None and self.encoder.pixels.of_bytes,
        )

    def surprises(self, records: Records) -> list[PredictionWarning]:
        """What the records hold that training did not."""
        return self._expectations.surprises(records)

    @cached_property
    def _expectations(self) -> Expectations:
        return Expectations.of(self.encoder)

    def predict_records(self, instances: Sequence[Any]) -> list[Prediction]:
        """Read records and answer them.

        Raises:
            DataError: naming the instance and the column.
        """
        return self.predict(self.read(instances).table)

    def predict(self, table: Table) -> list[Prediction]:
        """Answer the rows of a table.

        Returns:
            One a row: classification sets ``label`` and ``probabilities``, and ``value`` where
            its classes are whole numbers; regression ``value``.
        """
        features = self.encode(table)
        if self.target.task == "regression":
            return [Prediction(value=value) for value in self.values(features).tolist()]
        classes = self.target.classes
        numbers = self.target.whole_numbers
        predictions = []
        scores = self.scores(features)
        rows = self._to_probabilities(scores).tolist()
        for row, best in zip(rows, self.answers(scores), strict=True):
            probabilities = dict(zip(classes, row, strict=True))
            number = {} if numbers is None else {"value": numbers[best]}
            predictions.append(
                Prediction(label=classes[best], probabilities=probabilities, **number)
            )
        return predictions


def mean_scores(task: TaskKind, scores: Tensor, count: Tensor) -> Tensor:
    """Members' scores ``[K, M, B, O]`` → scores ``[K, B, O]`` of the mean prediction.

    The first ``count[k]`` members of trial k take part. For classes the mean is that of the
    probabilities, given as logits, so that what reads scores need not know of members.
    """
    count = count.clamp(min=1)
    number = torch.arange(scores.shape[1], device=scores.device)
    weights = (number < count[:, None]).to(scores.dtype) / count[:, None]
    weights = weights[:, :, None, None]
    if task == "regression":
        return SnapshotEnsemble.mean_value(scores, weights)
    return SnapshotEnsemble.mean_probability(scores, weights)
