"""The file of a finished fleet's models: one format, its writer and its reader.

One safetensors file holds all models of a fleet and everything that prediction needs:

==========================  ===============  =======================================================
``manifest``                ``[bytes]``      JSON: format, trials, target, encoder, shapes, versions
``weights.<parameter>``     ``[K, …]``       weights of each trial
``buffers.<name>``          ``[K, …]``       running averages and the like
``members.weights.<…>``     ``[K, M, …]``    of ensembles, the same for each of at most M members;
``members.buffers.<…>``     ``[K, M, …]``    ``manifest.members`` says how many a trial has
``encoder.<constant>``      ``[S, …]``       preprocessing, fitted on each split's training rows
``target.center``, ``.scale``  ``[S]``       how a regression's target was standardized
``probe.features``          ``[S, R, …]``    some rows as the network takes them,
``probe.scores``            ``[K, R, O]``    and each trial's answers when training ended
``calibration.scores``      ``[n]``          of the file of a single model: how far off it was on
                                             rows that did not train it, ascending (`conformal`)
==========================  ===============  =======================================================

K trials, S splits (folds), R recorded rows, O scores.

The file of an ensemble (format 2) holds one model, of networks of one structure or several:

==========================  ===============  =======================================================
``parts.<i>.weights.<…>``   ``[M_i, …]``     weights of the networks of structure i
``parts.<i>.buffers.<…>``   ``[M_i, …]``     running averages and the like
``encoder.<constant>``      ``[E, …]``       preprocessing: each network has one of these,
``target.center``, ``.scale``  ``[E]``       and the unit in which its target was standardized
``probe.features``          ``[1, R, E·F]``  some rows, encoded by each of the encoders,
``probe.scores``            ``[1, R, O]``    and the ensemble's answers when it was made
``calibration.scores``      ``[n]``          as of a single model
==========================  ===============  =======================================================

``manifest.networks`` says of each network, part by part, whose settings it has, which encoder is
its own, what its logits are divided by, and its weight in the mean. The ensemble's answers to a
regression are in the unit of encoder 0.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import BinaryIO

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from worker.data import Cell, Encoder, EncoderSchema, Target, number_inputs, written_ranges
from worker.errors import ModelError
from worker.models.conformal import Calibrated, CalibrationManifest
from worker.networks import JointNetwork, JointPart, Network, build_network
from worker.regularization import Regularization
from worker.schema import Json
from worker.spec import NetworkSpec, Trial

FORMAT = 1
ENSEMBLE_FORMAT = 2
"""Of an ensemble's file; releases that do not know ensembles refuse it."""
CALIBRATION = "calibration.scores"


class MemberNetwork(BaseModel):
    """One network of an ensemble."""

    model_config = ConfigDict(frozen=True, extra="allow")

    part: int
    """Which of the file's parts it is in; those of a part stand in their order."""
    trial: int
    """Whose settings it has: a place in ``manifest.trials``."""
    encoder: int
    """Which of the file's encoders is its own."""
    weight: float
    """Its share of the mean; all of them sum to 1."""
    temperature: float = 1.0
    """What its logits are divided by, of classes; fitted on the rows that chose."""


class Manifest(BaseModel):
    """What a file says of its models."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: int
    trials: list[Json]
    """The complete settings of each."""
    members: list[int]
    """How many networks each trial's ensemble has; 0 for one that is a single network."""
    thresholds: list[float | None] = []
    """Of two classes: the probability from which each trial answers the positive one, where the job
    asks for other than one half; empty where it does not, and in files of earlier releases."""
    networks: list[MemberNetwork] = []
    """Of an ensemble: its networks, part by part; empty in the files of fleets."""
    target: Json
    encoder: EncoderSchema
    shape: list[int]
    """Of one row."""
    outputs: int
    """Scores of one row."""
    parameters: dict[str, int]
    """Numbers that a trial learns; its tensors of weights, and those that no penalty acts on."""
    environment: dict[str, str | int]
    """What it was trained by: parsimony, python, numpy, torch, threads, device, machine; fewer in
    files of earlier releases."""
    calibration: CalibrationManifest | None = None
    """What it keeps of rows that did not train it; none in files of several trials, of jobs without
    such rows, and of earlier releases."""


def read_manifest(file: BinaryIO) -> Manifest:
    """What a file says of its models, without reading their weights.

    Raises:
        ModelError: it is no such file.
    """
    try:
        size = int.from_bytes(file.read(8), "little")
        first, end = json.loads(file.read(size))["manifest"]["data_offsets"]
        file.seek(8 + size + first)
        return Manifest.model_validate_json(file.read(end - first))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The model file cannot be read: {error}") from error


def read_ranges(file: BinaryIO, manifest: Manifest, position: int) -> dict[str, tuple[Cell, Cell]]:
    """The smallest and the largest number or date of the training rows, by column, of the trial at
    a position, or of all encoders of an ensemble, without reading weights. Files of earlier
    releases tell none.

    Raises:
        ModelError: it is no such file.
    """
    try:
        file.seek(0)
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        ends = []
        for name in ("encoder.low", "encoder.high"):
            if name not in header:
                return {}
            first, end = header[name]["data_offsets"]
            file.seek(8 + size + first)
            stored = np.frombuffer(file.read(end - first), dtype="<f8")
            ends.append(stored.reshape(header[name]["shape"]))
        low, high = ends
        if not manifest.networks:
            own = manifest.trials[position].get("fold") or 0
            low, high = low[own : own + 1], high[own : own + 1]
        return written_ranges(manifest.encoder.columns, low.min(axis=0), high.max(axis=0))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(f"The model file cannot be read: {error}") from error


@dataclass(frozen=True)
class ModelFile:
    """The models of a fleet: tensors by name, and a manifest."""

    tensors: dict[str, Tensor]
    manifest: Manifest

    def dump(self) -> bytes:
        """The file. The manifest lies in it as a tensor of bytes."""
        document = self.manifest.model_dump(mode="json")
        text = json.dumps(document, allow_nan=False, sort_keys=True).encode()
        manifest = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        return save_tensors({"manifest": manifest, **self.tensors})

    @classmethod
    def load(cls, data: bytes) -> "ModelFile":
        """What ``dump`` wrote.

        Raises:
            ModelError: it is no such file, or of another format.
        """
        try:
            tensors = load_tensors(data)
            manifest = Manifest.model_validate_json(tensors.pop("manifest").numpy().tobytes())
        except ValidationError as error:
            raise ModelError(f"The model file's manifest is not complete: {error}") from error
        except Exception as error:
            raise ModelError(f"The model file cannot be read: {error}") from error
        if manifest.format not in (FORMAT, ENSEMBLE_FORMAT):
            raise ModelError(
                f"The model file is of format {manifest.format}, and this release reads {FORMAT} "
                f"and {ENSEMBLE_FORMAT}."
            )
        return cls(tensors, manifest)

    def alone(self, position: int) -> "ModelFile":
        """Trial ``position`` by itself; an ensemble's file is one model already.

        Raises:
            ModelError: the file has no such trial.
        """
        if self.manifest.networks:
            return self
        trial, manifest = self.trial(position), self.manifest
        split, members = trial.fold or 0, manifest.members[position]
        tensors: dict[str, Tensor] = {}
        for name, tensor in self.tensors.items():
            if name == CALIBRATION:
                tensors[name] = tensor
            elif name.startswith("members."):
                if members:
                    tensors[name] = tensor[position : position + 1, :members].clone()
            elif name.startswith(("weights.", "buffers.")) or name == "probe.scores":
                tensors[name] = tensor[position : position + 1].clone()
            else:
                tensors[name] = tensor[split : split + 1].clone()
        # The file has the constants of one split, which are number 0 in it.
        fold = None if trial.fold is None else 0
        own = manifest.model_copy(
            update={
                "trials": [{**manifest.trials[position], "fold": fold}],
                "members": [members],
                "thresholds": manifest.thresholds[position : position + 1],
            }
        )
        return ModelFile(tensors, own)

    def with_calibration(self, calibrated: Calibrated) -> "ModelFile":
        """The file of one model, with what it keeps of rows that did not train it."""
        manifest = self.manifest.model_copy(update={"calibration": calibrated.calibration})
        return ModelFile(
            {**self.tensors, CALIBRATION: torch.from_numpy(calibrated.scores)}, manifest
        )

    def calibrated(self) -> Calibrated | None:
        """What it keeps of rows that did not train it, if it does.

        Raises:
            ModelError: that is damaged.
        """
        calibration = self.manifest.calibration
        if calibration is None:
            return None
        if CALIBRATION not in self.tensors:
            raise ModelError(f"The model file lacks {CALIBRATION}.")
        return Calibrated(calibration, self.tensors[CALIBRATION].double().numpy().copy())

    def trial(self, position: int) -> Trial:
        """The settings of a trial.

        Raises:
            ModelError: the file has no such trial.
        """
        if not 0 <= position < len(self.manifest.trials):
            raise ModelError(f"The model file has no trial {position}.")
        return Trial.model_validate_json(json.dumps(self.manifest.trials[position]))

    def threshold(self, position: int) -> float:
        """Of two classes, the probability from which a trial answers the positive one."""
        stored = self.manifest.thresholds
        threshold = stored[position] if position < len(stored) else None
        return 0.5 if threshold is None else threshold

    def target(self) -> Target:
        """What is predicted."""
        return Target.model_validate_json(json.dumps(self.manifest.target))

    def encoder(self, split: int) -> Encoder:
        """The preprocessing that was fitted on a split's training rows."""
        constants = {name: tensor[split].numpy().copy() for name, tensor in self._under("encoder.")}
        return Encoder.load(self.manifest.encoder, constants)

    @property
    def encoders(self) -> int:
        """S: how many encoders there are."""
        return len(self.tensors["target.center"])

    def linear_weights(self) -> Tensor:
        """``[K, F, O]``: the only matrix of networks without hidden layers.

        Raises:
            ModelError: these networks have hidden layers.
        """
        matrices = [tensor for _, tensor in self._under("weights.") if tensor.ndim > 2]
        if len(matrices) != 1:
            raise ModelError("Only linear networks have one matrix of weights.")
        return matrices[0]

    def network(self, position: int) -> Network:
        """A trial's network in eval mode; of an ensemble, with a row for each member.

        Raises:
            ModelError: a tensor is missing, or there is no such trial.
        """
        trial, members = self.trial(position), self.manifest.members[position]
        if not members:
            return self.networks([position])
        return self._network(
            trial.network,
            [trial.regularization] * members,
            lambda name: self._stored(name, ensemble=True)[position, :members],
        )

    def networks(self, positions: Sequence[int]) -> Network:
        """The networks of trials that are no ensembles, in eval mode, a row for each.

        Raises:
            ModelError: a tensor is missing, or there is no such trial.
        """
        trials, rows = [self.trial(position) for position in positions], torch.tensor(positions)
        return self._network(
            trials[0].network,
            [trial.regularization for trial in trials],
            lambda name: self._stored(name, ensemble=False).index_select(0, rows),
        )

    def joint_network(self) -> JointNetwork:
        """The networks of an ensemble, in eval mode.

        Raises:
            ModelError: a tensor is missing.
        """
        members, parts = self.manifest.networks, []
        for number, group in groupby(members, key=lambda member: member.part):
            trials = [self.trial(member.trial) for member in group]
            spec = trials[0].network
            own = tuple(trial.regularization for trial in trials)
            stored = partial(self._of_part, f"parts.{number}.")
            parts.append(JointPart(self._network(spec, own, stored), spec, own))
        splits = [member.encoder for member in members]
        factor, offset = self._units(members)
        joint = JointNetwork(parts, splits, self.encoders, factor, offset)
        return joint.requires_grad_(False).eval()

    def _units(self, members: Sequence[MemberNetwork]) -> tuple[Tensor, Tensor]:
        """What the scores of each are multiplied by, and what is added, ``[M]``, float64."""
        if self.target().task != "regression":
            factor = torch.tensor([1.0 / m.temperature for m in members], dtype=torch.float64)
            return factor, torch.zeros_like(factor)
        center, scale = self.tensors["target.center"], self.tensors["target.scale"]
        own = torch.tensor([member.encoder for member in members])
        return scale[own] / scale[0], (center[own] - center[0]) / scale[0]

    def _of_part(self, prefix: str, name: str) -> Tensor:
        for kind in ("weights", "buffers"):
            tensor = self.tensors.get(f"{prefix}{kind}.{name}")
            if tensor is not None:
                return tensor
        raise ModelError(f"The model file lacks {prefix}{name}.")

    def _network(
        self,
        spec: NetworkSpec,
        regularizations: Sequence[Regularization],
        stored: Callable[[str], Tensor],
    ) -> Network:
        network = build_network(
            spec,
            tuple(self.manifest.shape),
            self.manifest.outputs,
            regularizations,
            numbers=number_inputs(self.manifest.encoder.features),
        )
        network.load_state_dict({name: stored(name) for name in network.state_dict()})
        return network.requires_grad_(False).eval()

    def _stored(self, name: str, *, ensemble: bool) -> Tensor:
        """A parameter or buffer of all trials."""
        prefix = "members." if ensemble else ""
        for kind in ("weights", "buffers"):
            tensor = self.tensors.get(f"{prefix}{kind}.{name}")
            if tensor is not None:
                return tensor
        raise ModelError(f"The model file lacks {name}.")

    def _under(self, prefix: str) -> list[tuple[str, Tensor]]:
        return [
            (name.removeprefix(prefix), tensor)
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        ]
