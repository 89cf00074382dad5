"""A trained model: one trial of a fleet's model file, or an ensemble, ready to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.data import (
    Encoder,
    Expectations,
    JointEncoder,
    PlainReader,
    Records,
    Table,
    Target,
    check_numbers,
    plain_reader,
    read_arrays,
)
from worker.models.answerable import Answerable
from worker.models.answers import Answers, AnswerSettings
from worker.models.conformal import Calibrated
from worker.models.file import ModelFile
from worker.models.forward import (
    Forward,
    OffsetForward,
    RowForward,
    compile_forward,
    mean_scores,
)
from worker.models.joint_forward import compile_joint
from worker.models.joint_stochastic import JointStochasticForward
from worker.models.members import each_member
from worker.models.probabilities import class_probabilities, weighted_mean
from worker.models.stochastic import (
    StochasticForward,
    spread_of_classes,
    spread_of_values,
)
from worker.networks import JointNetwork, Network
from worker.regularization.families import DropoutLayer
from worker.results import Prediction, PredictionWarning
from worker.spec import PoissonLoss, Trial

MEMBER_NUMBERS = 2**22
"""Numbers of the widest layer, of all members, that are computed at a time, about."""


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
    weights: tuple[float, ...] = ()
    """The share of each member in their mean, where they do not all have the same."""
    calibrated: Calibrated | None = None
    """What it keeps of rows that did not train it, if it does."""

    @classmethod
    def load(cls, data: bytes, position: int) -> "TrainedModel":
        """Read trial ``position`` of a fleet's model file, or the ensemble of an ensemble's.

        Raises:
            ModelError: the file is no model file, or has no such trial.
        """
        file = ModelFile.load(data)
        if file.manifest.networks:
            return cls.of_ensemble(file)
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
            # Copies: a view would keep what the file holds of all other trials.
            probe_features=file.tensors["probe.features"][split : split + 1].clone(),
            probe_scores=file.tensors["probe.scores"][position : position + 1].clone(),
            threshold=file.threshold(position),
            calibrated=file.calibrated(),
        )

    @classmethod
    def of_ensemble(cls, file: ModelFile) -> "TrainedModel":
        """The ensemble of an ensemble's file."""
        encoders = [file.encoder(number) for number in range(file.encoders)]
        networks = file.manifest.networks
        first = max(networks, key=lambda network: network.weight)
        return cls(
            trial=file.trial(first.trial),
            target=file.target(),
            encoder=encoders[0] if len(encoders) == 1 else JointEncoder.join(encoders),
            network=file.joint_network(),
            members=len(networks),
            target_center=float(file.tensors["target.center"][0]),
            target_scale=float(file.tensors["target.scale"][0]),
            probe_features=file.tensors["probe.features"],
            probe_scores=file.tensors["probe.scores"],
            threshold=file.threshold(0),
            weights=tuple(network.weight for network in networks),
            calibrated=file.calibrated(),
        )

    @torch.inference_mode()
    def scores(self, features: Tensor) -> Tensor:
        """Encoded features ``[B, …]`` → scores ``[B, O]``; an ensemble's of its members' mean."""
        if self.encoder.offset:
            return self._network_scores(features[:, :-1]) + features[:, -1:]
        return self._network_scores(features)

    def _network_scores(self, features: Tensor) -> Tensor:
        members = self._members(features)
        if self.weights:
            shares = np.array(self.weights)
            mean = weighted_mean(self.target.task, members.cpu().numpy(), shares)
            return torch.from_numpy(mean)
        if self.members < 2:
            return members[0]
        count = torch.tensor([self.members], device=features.device)
        return mean_scores(self.target.task, members[None], count)[0]

    def _members(self, features: Tensor) -> Tensor:
        scores: Tensor = self.network(features.expand(self.members, *features.shape))
        return scores

    def member_scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encoded rows ``[N, …]`` → what each member says of them, ``[M, N, O]``: logits, divided
        by its temperature; of a regression in units of `target_scale` above `target_center`.

        `weights` is the share of each; all the same where that is empty.
        """
        rows = max(1, MEMBER_NUMBERS // (self.network.widest * self.members))
        with torch.inference_mode():
            parts = [
                self._members(torch.from_numpy(features[first : first + rows])).numpy()
                for first in range(0, max(1, len(features)), rows)
            ]
        return np.concatenate(parts, axis=1)

    @cached_property
    def forward(self) -> Forward:
        """The pass that answers."""
        if isinstance(self.network, JointNetwork):
            return compile_joint(self.network, self.weights, self.target.task, self.encoder.shape)
        forward = compile_forward(
            self.network, self.members, self.target.task, self.encoder.network_shape
        )
        return OffsetForward(forward) if self.encoder.offset else forward

    @property
    def has_log_link(self) -> bool:
        """Whether a score is the logarithm of the value that is answered."""
        return isinstance(self.trial.training.loss, PoissonLoss)

    def _values(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores of a regression in the target's own unit."""
        values = scores.astype(np.float64)
        if self.has_log_link:
            with np.errstate(over="ignore"):
                values = np.exp(values)
        return values * self.target_scale + self.target_center

    @cached_property
    def answerable(self) -> Answerable:
        """What can be asked of it."""
        kept = None if self.calibrated is None else self.calibrated.calibration
        dropout = any(isinstance(module, DropoutLayer) for module in self.network.modules())
        return Answerable(self.target.task, self.trial.training.loss, self.members, dropout, kept)

    def answer_scores(
        self, features: NDArray[np.float32], scores: NDArray[np.float32], settings: AnswerSettings
    ) -> Answers:
        """What scores ``[N, O]`` of the forward pass say of encoded rows ``[N, …]``, with what else
        is asked for; no passes with dropout.

        Raises:
            SpecError: the model cannot answer so.
        """
        answers = self.read_scores(scores)
        if settings.plain:
            return answers
        self.answerable.check(settings)
        if settings.coverage is not None and self.calibrated is not None:
            # Of the probabilities as they are, of which the nonconformities were kept: those that
            # are calibrated depend on the same rows once more.
            answers = self.calibrated.covered(answers, settings.coverage)
        if settings.calibrated:
            scaled = class_probabilities(self.target.task, self.scaled(scores, settings))
            answers = replace(answers, probabilities=scaled)
        return replace(answers, further=self._spread(features)) if settings.members else answers

    def scaled(self, scores: NDArray[np.float32], settings: AnswerSettings) -> NDArray[np.float32]:
        """Scores ``[N, O]`` whose probabilities are told: divided by the temperature, if asked."""
        temperature = None if self.calibrated is None else self.calibrated.calibration.temperature
        if not settings.calibrated or temperature is None:
            return scores
        return np.asarray(scores / np.float32(temperature))

    def _spread(self, features: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """How far the members differ, of encoded rows ``[N, …]``."""
        width = self.encoder.network_shape[0] if self.encoder.offset else None
        scores = self._each(np.ascontiguousarray(features[:, :width]))
        members = scores.reshape(len(features), self.members, -1).transpose(1, 0, 2)
        if self.encoder.offset:
            members = members + features[:, -1:]
        shares = np.array(self.weights) if self.weights else None
        if self.target.task == "regression":
            return spread_of_values(self._values(members[:, :, 0]), shares)[1]
        return spread_of_classes(self.target.task, members, shares)[1]

    @cached_property
    def _each(self) -> RowForward:
        """The pass that gives the scores of each member, ``[N, M·O]``."""
        return each_member(self._members, self.network, self.encoder.network_shape)

    def read_scores(self, scores: NDArray[np.float32]) -> Answers:
        """What scores ``[N, O]`` of the forward pass say.

        The class that is answered is the most probable, or of a binary task the positive one from
        the threshold on.
        """
        if self.target.task == "regression":
            return Answers(self.target, values=self._values(scores[:, 0]))
        probabilities = class_probabilities(self.target.task, scores)
        return Answers(self.target, probabilities, self._best(scores, probabilities))

    def sample(self, features: NDArray[np.float32], settings: AnswerSettings) -> Answers:
        """What the model says of encoded rows ``[N, …]`` with dropout on, and how far that spreads.

        Raises:
            SpecError: it was trained without dropout, or something is asked for that does not go
                together with that.
        """
        self.answerable.check(settings)
        forward = self._stochastic(settings)
        if self.encoder.offset:
            scores = forward(np.ascontiguousarray(features[:, :-1])) + features[:, -1:]
        else:
            scores = forward(features)
        if self.target.task == "regression":
            values, further = spread_of_values(self._values(scores[:, :, 0]))
            return Answers(self.target, values=values, further=further)
        probabilities, further = spread_of_classes(self.target.task, scores)
        positive = self.target.positive_number
        if positive is None:
            best = np.asarray(probabilities.argmax(1))
        else:
            above = probabilities[:, positive].astype(np.float64) >= self.threshold
            best = np.where(above, positive, 1 - positive)
        return Answers(self.target, probabilities, best, further=further)

    def _stochastic(self, settings: AnswerSettings) -> StochasticForward | JointStochasticForward:
        if isinstance(self.network, JointNetwork):
            return JointStochasticForward(
                self.network,
                self.weights,
                self.encoder.shape,
                self.target.task,
                outputs=self.target.outputs,
                numbers=self.encoder.number_inputs,
                samples=settings.mc_samples,
                seed=settings.seed,
            )
        return StochasticForward(
            self.network,
            self.trial,
            self.encoder.network_shape,
            self.encoder.number_inputs,
            self.target.task,
            samples=settings.mc_samples,
            seed=settings.seed,
        )

    def answer(self, features: NDArray[np.float32]) -> Answers:
        """What the model says of encoded rows ``[N, …]``."""
        return self.read_scores(self.forward(features))

    def _best(
        self, scores: NDArray[np.float32], probabilities: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        positive = self.target.positive_number
        if positive is None:
            return np.asarray(probabilities.argmax(1))
        logits = scores[:, 0].astype(np.float64) * (1.0 if positive == 1 else -1.0)
        return np.where(logits >= self._cut, positive, 1 - positive)

    @cached_property
    def _cut(self) -> float:
        """The logit of the threshold."""
        return float(torch.logit(torch.tensor(self.threshold, dtype=torch.float64)))

    def encode(self, table: Table) -> NDArray[np.float32]:
        """Rows of a table → features ``[N, …]``."""
        return self.encoder.transform(table)

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
            beside=self._beside,
            extra=extra,
            as_bytes=self.encoder.pixels is not None and self.encoder.pixels.of_bytes,
        )

    @property
    def _beside(self) -> tuple[str, ...]:
        """The columns that may stand in an object and are not read."""
        return (self.target.column, *self.encoder.left_out)

    @cached_property
    def plain(self) -> PlainReader | None:
        """Reads and encodes ordinary rows at once, for requests of a few; none where no row is
        ordinary, as of images.
        """
        return plain_reader(self.encoder, self._beside)

    def read_arrays(self, arrays: Mapping[str, NDArray[Any]], *, extra: bool = False) -> Records:
        """Read columns by name, ``[N]`` each, ``[N, *shape]`` of images.

        The target and the columns that were left out may be among them; with `extra` any other
        columns too.

        Raises:
            DataError: naming the column, and the instance where it is about one.
        """
        return read_arrays(
            self.encoder.columns,
            arrays,
            beside=self._beside,
            extra=extra,
            as_bytes=self.encoder.pixels is not None and self.encoder.pixels.of_bytes,
        )

    def encode_numbers(self, matrix: NDArray[Any]) -> NDArray[np.float32]:
        """Rows of numbers → features, ``[N, P]`` each, if every column is numeric: the bits that
        `encode` gives, without a table. NaN is a missing cell.

        Raises:
            DataError: a number is infinite, or the matrix is not that of these columns.
        """
        check_numbers(self.encoder.columns, matrix)
        return self.encoder.transform_numbers(matrix)

    def surprises(self, records: Records) -> list[PredictionWarning]:
        """What the records hold that training did not."""
        return self._expectations.surprises(records)

    def number_surprises(self, matrix: NDArray[Any]) -> list[PredictionWarning]:
        """What rows of numbers ``[N, P]`` hold that training did not."""
        if self._expectations.are_met(matrix):
            return []
        columns = self.encoder.columns
        values = {column.name: matrix[:, place] for place, column in enumerate(columns)}
        return self.surprises(Records(Table(columns, values, len(matrix))))

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
        """Answer the rows of a table, one prediction a row."""
        return self.answer(self.encode(table)).predictions()
