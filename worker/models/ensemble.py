"""An ensemble's file: networks of several fleets, folds and structures, that answer as their mean.

For classes a member's probabilities are softmax(s/T), its own T; for a regression its value is in
the target's unit. The answer is Σ w·p over all networks, w summing to 1. The networks of a
snapshot ensemble share the weight of their trial.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from worker.data import number_inputs
from worker.errors import ModelError
from worker.models.file import ENSEMBLE_FORMAT, Manifest, MemberNetwork, ModelFile
from worker.models.trained_model import TrainedModel
from worker.networks import build_network
from worker.schema import Json
from worker.spec import Trial

Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class EnsembleMember:
    """A trial's network, or its snapshots, taken from its fleet's file: nothing else is held."""

    trial: Trial
    weight: float
    """Its share of the mean, beside those of others."""
    temperature: float
    tensors: dict[str, Tensor]
    """``weights.<…>`` and ``buffers.<…>``, ``[m, …]``."""
    encoder: dict[str, Tensor]
    """What belongs to its split: ``encoder.<…>``, ``target.<…>`` and ``probe.features``."""
    manifest: Manifest

    @classmethod
    def of(
        cls, file: ModelFile, position: int, *, weight: float = 1.0, temperature: float = 1.0
    ) -> "EnsembleMember":
        """Trial ``position`` of a fleet's file.

        Raises:
            ModelError: the file has no such trial, or is an ensemble's.
        """
        if file.manifest.networks:
            raise ModelError("An ensemble is made of single networks, not of ensembles.")
        trial, members = file.trial(position), file.manifest.members[position]
        split = trial.fold or 0
        single = build_network(
            trial.network,
            tuple(file.manifest.shape),
            file.manifest.outputs,
            [trial.regularization],
            numbers=number_inputs(file.manifest.encoder.features),
        )
        names = single.state_dict().keys()
        tensors: dict[str, Tensor] = {}
        for kind in ("weights", "buffers"):
            for name in names:
                if members:
                    tensor = file.tensors.get(f"members.{kind}.{name}")
                    own = None if tensor is None else tensor[position, :members]
                else:
                    tensor = file.tensors.get(f"{kind}.{name}")
                    own = None if tensor is None else tensor[position : position + 1]
                if own is not None:
                    tensors[f"{kind}.{name}"] = own.clone()
        encoder = {
            name: tensor[split].clone()
            for name, tensor in file.tensors.items()
            if name.startswith(("encoder.", "target.")) or name == "probe.features"
        }
        alone: Json = {"trials": [], "members": [], "thresholds": []}
        manifest = file.manifest.model_copy(update=alone)
        return cls(trial, weight, temperature, tensors, encoder, manifest)

    @property
    def count(self) -> int:
        """How many networks it has."""
        return len(next(iter(self.tensors.values())))

    def weighed(self, weight: float, temperature: float) -> "EnsembleMember":
        """The same with another share."""
        return replace(self, weight=weight, temperature=temperature)

    @property
    def _encoder_key(self) -> tuple[bytes, ...]:
        return tuple(self.encoder[name].numpy().tobytes() for name in sorted(self.encoder))

    @property
    def _settings(self) -> str:
        return self.trial.model_copy(update={"fold": None}).model_dump_json()

    @property
    def _structure(self) -> tuple[str, ...]:
        return self.trial.network.model_dump_json(), *sorted(self.tensors)


def join_members(members: Sequence[EnsembleMember], *, threshold: float | None = None) -> ModelFile:
    """The ensemble of some members, at least one, of one job.

    Args:
        members: with their shares, which need not sum to 1.
        threshold: of two classes, the probability from which the positive one is answered.
    """
    encoders = _numbered([member._encoder_key for member in members])
    settings = _numbered([member._settings for member in members])
    parts = _numbered([member._structure for member in members])
    ordered = sorted(
        members, key=lambda member: (parts[member._structure], encoders[member._encoder_key])
    )
    total = sum(member.weight for member in members)
    networks: list[MemberNetwork] = []
    tensors: dict[str, Tensor] = {}
    for number in range(len(parts)):
        own = [member for member in ordered if parts[member._structure] == number]
        for name in own[0].tensors:
            tensors[f"parts.{number}.{name}"] = torch.cat([one.tensors[name] for one in own])
        for member in own:
            share = member.weight / total / member.count
            networks += [
                MemberNetwork(
                    part=number,
                    trial=settings[member._settings],
                    encoder=encoders[member._encoder_key],
                    weight=share,
                    temperature=member.temperature,
                )
            ] * member.count
    first_of = {encoders[member._encoder_key]: member for member in reversed(members)}
    splits = [first_of[number].encoder for number in range(len(encoders))]
    for name in splits[0]:
        if name != "probe.features":
            tensors[name] = torch.stack([split[name] for split in splits])
    tensors["probe.features"] = torch.cat([split["probe.features"] for split in splits], dim=1)[
        None
    ]
    rows = tensors["probe.features"].shape[1]
    manifest = _manifest(members[0].manifest, list(settings), networks, tensors, threshold)
    tensors["probe.scores"] = torch.zeros(1, rows, manifest.outputs)
    draft = TrainedModel.of_ensemble(ModelFile(tensors, manifest))
    answers = draft.scores(tensors["probe.features"][0])
    return ModelFile(tensors | {"probe.scores": answers[None].clone()}, manifest)


def _numbered(keys: Sequence[Key]) -> dict[Key, int]:
    """Each different key with its number, in the order in which they appear."""
    return {key: number for number, key in enumerate(dict.fromkeys(keys))}


def _manifest(
    first: Manifest,
    settings: Sequence[str],
    networks: Sequence[MemberNetwork],
    tensors: dict[str, Tensor],
    threshold: float | None,
) -> Manifest:
    trials: list[Json] = [json.loads(text) for text in settings]
    learnt = [(name, t) for name, t in tensors.items() if ".weights." in name]
    exempt = sum(tensor.ndim < 3 for _, tensor in learnt)
    return first.model_copy(
        update={
            "format": ENSEMBLE_FORMAT,
            "trials": trials,
            "members": [len(networks)],
            "thresholds": [] if threshold is None else [threshold],
            "networks": list(networks),
            "parameters": {
                "total": sum(tensor.numel() for _, tensor in learnt),
                "weight_tensors": len(learnt) - exempt,
                "exempt_tensors": exempt,
            },
        }
    )
