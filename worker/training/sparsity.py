"""What is left of each trained network: zeros, norms, dead units, features without a way in.

All numbers are computed for the whole fleet at once, layer by layer. A weight of a snapshot
ensemble counts with the largest of its members: it is zero where it is zero in all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worker.data import Prepared
from worker.regularization import WeightMatrix
from worker.results import FeatureReport, LayerReport, NetworkReport
from worker.training.engine import Engine
from worker.training.pruning import curves

_EMBEDDING = "embedding.weight"
NAMES = 100
"""Most names in one list of a report; the counts beside it are complete."""


@torch.no_grad()
def reports(
    engine: Engine, prepared: Prepared, objective: Sequence[float | None]
) -> list[NetworkReport | None]:
    """One report a trial; none for a trial without an objective, which is one that failed.

    ``engine`` has the final weights, ``objective`` is smaller for better trials: the best of them
    get a pruning curve.
    """
    embedded, matrices = _matrices(engine)
    slices = engine.parameters.slices
    named = [n for n, (_, shape) in slices.items() if len(shape) > 1 and n != _EMBEDDING]
    layers = [
        _Layer.of(name.removesuffix(".weight"), matrix.layer, magnitude(engine, matrix))
        for name, matrix in zip(named, matrices, strict=True)
    ]
    embedding = None
    if embedded:
        sizes = torch.cat([magnitude(engine, matrix) for matrix in embedded], dim=1)
        embedding = _Layer.of(_EMBEDDING.removesuffix(".weight"), 0, sizes)
    units, used = _ways(engine) if engine.network.sequential else (None, _first_layer(engine))
    features = None if used is None else _features(prepared, used)
    pruned = curves(engine, prepared, objective)
    network_reports: list[NetworkReport | None] = []
    for trial, value in enumerate(objective):
        if value is None:
            network_reports.append(None)
            continue
        own = [
            layer.report(trial, units[number] if units and number < len(units) else None)
            for number, layer in enumerate(layers)
        ]
        if embedding is not None:
            own.insert(0, embedding.report(trial, None))
        weights, zeros = sum(layer.weights for layer in own), sum(layer.zeros for layer in own)
        network_reports.append(
            NetworkReport(
                weights=weights,
                zeros=zeros,
                sparsity=zeros / weights,
                units=None if units is None else sum(hidden.units for hidden in units),
                dead_units=None if units is None else sum(hidden.dead[trial] for hidden in units),
                layers=own,
                features=None if features is None else features[trial],
                pruning=pruned[trial],
            )
        )
    return network_reports


@dataclass(frozen=True)
class _Units:
    """The units of one hidden layer, counted: a list has one entry a trial."""

    units: int
    dead: list[int]
    no_way_in: list[int]
    no_way_out: list[int]


@dataclass(frozen=True)
class _Layer:
    """The weights of one layer, measured: a list has one entry a trial."""

    name: str
    number: int
    weights: int
    zeros: list[int]
    norm: list[float]
    largest: list[float]

    @classmethod
    def of(cls, name: str, number: int, size: Tensor) -> "_Layer":
        """``size`` is |w| ``[K, in, …, out]``."""
        size = size.flatten(1)
        return cls(
            name=name,
            number=number,
            weights=size.shape[1],
            zeros=(size == 0).sum(1).tolist(),
            norm=torch.linalg.vector_norm(size, dim=1).tolist(),
            largest=size.amax(1).tolist(),
        )

    def report(self, trial: int, hidden: _Units | None) -> LayerReport:
        """One trial's. ``hidden`` is none for the output, which has no units that could be missed,
        and for layers in no simple chain.
        """
        return LayerReport(
            name=self.name,
            layer=self.number,
            weights=self.weights,
            zeros=self.zeros[trial],
            norm=short(self.norm[trial]),
            largest=short(self.largest[trial]),
            units=None if hidden is None else hidden.units,
            dead=None if hidden is None else hidden.dead[trial],
            no_way_in=None if hidden is None else hidden.no_way_in[trial],
            no_way_out=None if hidden is None else hidden.no_way_out[trial],
        )


def magnitude(engine: Engine, matrix: WeightMatrix) -> Tensor:
    """|w| of one layer, ``[K, in, …, out]``; of an ensemble, of the largest member."""
    sizes = matrix.of(engine.parameters.values).abs()
    members = engine.snapshots.tensors.get("members.weights")  # [K, M, P]
    if members is None:
        return sizes
    largest = members[:, :, matrix.columns].abs().amax(1)  # [K, its weights]
    largest = replace(matrix, columns=slice(0, largest.shape[1])).of(largest)
    count = engine.snapshots.tensors["members.count"]
    return torch.where(count.view(-1, *[1] * (sizes.dim() - 1)) > 0, largest, sizes)


def short(value: float) -> float:
    """The number with six significant digits."""
    return float(f"{value:.6g}")


def _ways(engine: Engine) -> tuple[list[_Units], Tensor | None]:
    """Units of each hidden layer that nothing reaches, or that reach nothing; used inputs.

    A unit is a map after a convolution. It has a way in if a chain of weights other than zero
    leads to it from an input, a way out if one leads from it to a score.

    Returns:
        Counts by hidden layer, and ``[K, F]`` bool: inputs with a way to a score; none for maps.
    """
    matrices = _matrices(engine)[1]
    links = [_linked(engine, matrix) for matrix in matrices]
    trials = len(engine.trials)
    entrance = _entrance(engine)
    reached = [links[0].new_ones(trials, links[0].shape[1]) if entrance is None else entrance]
    for link in links:
        active = reached[-1]
        places = link.shape[1] // active.shape[1]  # positions of a map, each an input of the next
        active = active.repeat_interleave(places, dim=1)
        reached.append((torch.bmm(active[:, None], link)[:, 0] > 0).float())
    leading = [links[0].new_ones(trials, links[-1].shape[2])]
    for number in range(len(links) - 1, -1, -1):
        way = torch.bmm(links[number], leading[0][:, :, None])[:, :, 0] > 0
        leading.insert(0, way.view(trials, reached[number].shape[1], -1).any(2).float())
    hidden = [
        _Units(
            units=into.shape[1],
            dead=(1 - into * out).sum(1).int().tolist(),
            no_way_in=(1 - into).sum(1).int().tolist(),
            no_way_out=(1 - out).sum(1).int().tolist(),
        )
        for into, out in zip(reached[1:-1], leading[1:-1], strict=True)
    ]
    if len(matrices[0].shape) > 2:
        return hidden, None
    return hidden, _inputs(engine, leading[0] * reached[0] > 0)


def _matrices(engine: Engine) -> tuple[list[WeightMatrix], list[WeightMatrix]]:
    """Those of an embedding, one a number, and those of the layers."""
    every = engine.parameters.index.matrices
    return [m for m in every if m.column], [m for m in every if not m.column]


def _entrance(engine: Engine) -> Tensor | None:
    """``[K, inputs of the first layer]``: 1 for those that an input leads to; none without an
    embedding with weights, where all are.
    """
    embedding, (embedded, _) = engine.network.embedding, _matrices(engine)
    if embedding is None or not embedded:
        return None
    linked = torch.cat([_linked(engine, matrix).amax(1) for matrix in embedded], dim=1)
    others = embedding.outputs - linked.shape[1]
    return torch.cat([linked, linked.new_ones(len(linked), others)], dim=1)


def _inputs(engine: Engine, used: Tensor) -> Tensor:
    """Used inputs of the first layer → used inputs of the network ``[K, F]``, bool."""
    embedding = engine.network.embedding
    if embedding is None:
        return used
    numbers, others = embedding.places, embedding.others
    inputs = used.new_zeros(len(used), len(numbers) + len(others))
    units = embedding.numbers * embedding.width
    inputs[:, numbers] = used[:, :units].view(len(used), embedding.numbers, -1).any(2)
    inputs[:, others] = used[:, units:]
    return inputs


def _linked(engine: Engine, matrix: WeightMatrix) -> Tensor:
    """``[K, in, out]``: 1 where a weight other than zero leads from one to the other."""
    size = magnitude(engine, matrix)
    return (size.flatten(2, -2).amax(2) if size.dim() > 3 else size).ne(0).float()


def _first_layer(engine: Engine) -> Tensor:
    """``[K, F]`` bool: inputs that the first layer takes, where the rest is no simple chain."""
    used = _linked(engine, _matrices(engine)[1][0]).amax(2) > 0
    entrance = _entrance(engine)
    return _inputs(engine, used if entrance is None else used & (entrance > 0))


@dataclass(frozen=True)
class _Columns:
    """Which inputs are whose."""

    names: "np.ndarray[Any, Any]"
    of_input: Tensor
    """``[F]``: number of the column that an input belongs to."""
    inputs: "np.ndarray[Any, Any] | None"
    """Names of the inputs; none for an image's, which are only counted."""

    @classmethod
    def of(cls, prepared: Prepared, device: torch.device) -> "_Columns":
        encoder = prepared.encoders[0]
        columns = encoder.features
        widths = torch.tensor(encoder.widths[: len(columns)])
        numbers = torch.arange(len(columns)).repeat_interleave(widths)
        named = all(column.kind != "image" for column in columns)
        return cls(
            np.array([column.name for column in columns], dtype=object),
            numbers.to(device),
            np.array(encoder.feature_names, dtype=object) if named else None,
        )


def _features(prepared: Prepared, used: Tensor) -> list[FeatureReport]:
    """Columns and inputs that the scores do not depend on, of ``used`` ``[K, F]``."""
    columns = _Columns.of(prepared, used.device)
    share = torch.zeros(len(used), len(columns.names), device=used.device)
    share.index_add_(1, columns.of_input, used.float())
    whole = share > 0  # [K, columns]
    partly = (~used & whole[:, columns.of_input]).cpu().numpy()
    inputs, taken = used.cpu().numpy(), whole.cpu().numpy()
    return [
        FeatureReport(
            columns=len(columns.names),
            columns_unused=int((~taken[trial]).sum()),
            used=_names(columns.names, taken[trial]),
            unused=_names(columns.names, ~taken[trial]),
            inputs=used.shape[1],
            inputs_unused=int((~inputs[trial]).sum()),
            unused_inputs=_names(columns.inputs, partly[trial]),
        )
        for trial in range(len(used))
    ]


def _names(
    names: "np.ndarray[Any, Any] | None", chosen: "np.ndarray[Any, np.dtype[np.bool_]]"
) -> list[str]:
    return [] if names is None else names[np.flatnonzero(chosen)[:NAMES]].tolist()
