"""A trained model: one row of a fleet's result, ready to answer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

from worker.data import Encoder, Table, Target, table_from_records
from worker.errors import ModelError
from worker.networks import Network, build_network
from worker.results.model import Prediction
from worker.schema import Json
from worker.spec import Trial
from worker.training.ensemble import mean_scores


@dataclass(frozen=True)
class TrainedModel:
    """Preprocessing, network and target of one trial. The network is in eval mode, and stays so."""

    manifest: Json
    position: int
    trial: Trial
    target: Target
    encoder: Encoder
    network: Network
    target_center: float
    target_scale: float
    probe_features: Tensor
    """``[1, R, …]``: rows whose answers were recorded when training ended."""
    probe_scores: Tensor
    """``[1, R, O]``: those answers."""

    @classmethod
    def load(cls, data: bytes, position: int) -> "TrainedModel":
        """Read trial ``position`` of a fleet's result file.

        Raises:
            ModelError: the file is not such a result, or has no such trial.
        """
        try:
            tensors = load_tensors(data)
            manifest = json.loads(tensors.pop("manifest").numpy().tobytes())
        except Exception as error:
            raise ModelError(f"The model file cannot be read: {error}") from error
        if manifest.get("format") != 1 or not 0 <= position < len(manifest["trials"]):
            raise ModelError(f"The model file has no trial {position}, or is of another format.")
        trial = Trial.model_validate(manifest["trials"][position])
        split = trial.fold or 0
        network = _network(tensors, manifest, trial, position)
        constants = {
            name.removeprefix("encoder."): tensor[split].numpy()
            for name, tensor in tensors.items()
            if name.startswith("encoder.")
        }
        return cls(
            manifest=manifest,
            position=position,
            trial=trial,
            target=Target.model_validate(manifest["target"]),
            encoder=Encoder.load(manifest["encoder"], constants),
            network=network,
            target_center=float(tensors["target.center"][split]),
            target_scale=float(tensors["target.scale"][split]),
            probe_features=tensors["probe.features"][split : split + 1],
            probe_scores=tensors["probe.scores"][position : position + 1],
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

    @property
    def members(self) -> int:
        """Networks that answer together, the trial dimension of ``network``; 1 or an ensemble's."""
        return max(1, int(self.manifest["members"][self.position]))

    def probabilities(self, features: Tensor) -> Tensor:
        """Encoded features ``[B, F]`` → class probabilities ``[B, C]`` (classification only)."""
        scores = self.scores(features)
        if self.target.task == "binary":
            return torch.cat([torch.sigmoid(-scores), torch.sigmoid(scores)], dim=1)
        return scores.softmax(1)

    def values(self, features: Tensor) -> Tensor:
        """Encoded features ``[B, F]`` → predicted values ``[B]`` in the target's own unit."""
        return self.scores(features)[:, 0].double() * self.target_scale + self.target_center

    def encode(self, table: Table) -> Tensor:
        """Rows of a table → features ``[B, F]``."""
        return torch.from_numpy(self.encoder.transform(table))

    def predict_records(self, instances: Sequence[Any]) -> list[Prediction]:
        """Answer records (objects by column name, or arrays in column order).

        Returns:
            One a row: classification sets ``label`` and ``probabilities``, regression ``value``.

        Raises:
            DataError: naming the instance and the column.
        """
        features = self.encode(table_from_records(self.encoder.columns, instances))
        if self.target.task == "regression":
            return [Prediction(value=value) for value in self.values(features).tolist()]
        classes = self.target.classes
        rows = self.probabilities(features).tolist()
        return [
            Prediction(
                label=classes[max(range(len(row)), key=row.__getitem__)],
                probabilities=dict(zip(classes, row, strict=True)),
            )
            for row in rows
        ]


def _network(tensors: dict[str, Tensor], manifest: Json, trial: Trial, position: int) -> Network:
    """The network of one trial in eval mode; of an ensemble, with a row for each member."""
    members = manifest["members"][position]
    network = build_network(
        trial.network,
        tuple(manifest["shape"]),
        manifest["outputs"],
        [trial.regularization] * max(1, members),
    )
    prefix = "members." if members else ""
    rows = slice(members) if members else slice(position, position + 1)
    state: dict[str, Tensor] = {}
    missing = []
    for name in network.state_dict():
        found = tensors.get(f"{prefix}weights.{name}", tensors.get(f"{prefix}buffers.{name}"))
        if found is None:
            missing.append(name)
        else:
            state[name] = (found[position] if members else found)[rows]
    if missing:
        raise ModelError(f"The model file lacks {', '.join(missing)}.")
    network.load_state_dict(state)
    return network.requires_grad_(False).eval()
