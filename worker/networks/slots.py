"""What a fleet's techniques put into a network, position by position."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, get_args

from torch import Tensor, nn

from worker.regularization import PerTrial, RandomStreams, Regularization, Technique, stacks
from worker.regularization.families import (
    ActivationDropout,
    BranchDropout,
    BranchMerge,
    Distribution,
    DropoutLayer,
    NoiseLayer,
    NoiseTechnique,
    Normalization,
    Place,
    WeightDropout,
)
from worker.spec import Structure

Layers = dict[str, nn.Module]
"""The layers at one position, by the name of their technique, in their order."""


class Slots:
    """Fills a network's empty places. A place that no trial fills holds an identity.

    Layers at one place come in the order that the literature gives: normalization before the
    activation, dropout after it; noise before dropout. ``structure`` are the trials that decide
    which layers with weights exist, when they are more than these (a fleet that some have left
    keeps its layout). ``axes`` are those of a row's positions: none for units, 2 for feature maps.
    """

    def __init__(
        self,
        spec: Structure,
        regularizations: Sequence[Regularization],
        streams: RandomStreams,
        structure: Sequence[Regularization] | None = None,
    ) -> None:
        self._spec = spec
        self._regularizations = tuple(regularizations)
        self._streams = streams
        self._structure = tuple(structure or regularizations)

    @property
    def trials(self) -> int:
        """K."""
        return len(self._regularizations)

    def input(self, dimensions: int) -> nn.Module:
        """Before the first layer, for rows of so many dimensions: noise, then dropout."""
        layers = self._noises("input", dimensions + 2)
        for technique, stack in stacks(ActivationDropout, self._regularizations).items():
            p = stack.numbers(lambda settings: settings.input_p)
            layers |= self._masked("input", technique, stack, p, dimensions + 2)
        return _chain(layers)

    def weights(self, layer: int, axes: int = 0) -> nn.Module:
        """Around the weights of a layer, the output included: noise, then dropping."""
        layers = self._noises("weights", axes + 3, layer)
        for technique, stack in stacks(WeightDropout, self._regularizations).items():
            p = _rates(stack, self._spec.depth, layer)
            layers |= self._masked(f"weights/{layer}", technique, stack, p, axes + 3)
        return _chain(layers)

    def normalization(self, features: int, axes: int = 0) -> nn.Module:
        """Between a layer and its activation."""
        layers: Layers = {}
        for technique in stacks(Normalization, self._structure):
            layers[technique.key()] = technique.layer(self._settings(technique), features, axes + 3)
        return _chain(layers)

    def hidden(self, place: int, axes: int = 0) -> nn.Module:
        """After the activation at a place, counted from 0: noise, then dropout."""
        layers = self._noises("activations", axes + 3, place)
        for technique, stack in stacks(ActivationDropout, self._regularizations).items():
            places = self._spec.conv_layers if technique.needs_maps else self._spec.dropout_sites
            if place < places:
                p = _rates(stack, places, place)
                layers |= self._masked(f"hidden/{place}", technique, stack, p, axes + 3)
        return _chain(layers)

    def branch(self, block: int) -> nn.Module:
        """Between the branch of a residual block and its sum with the shortcut."""
        layers: Layers = {}
        for technique, stack in stacks(BranchDropout, self._regularizations).items():
            p = _rates(stack, self._spec.residual_blocks, block)
            random = self._streams.at(f"{technique.key()}/branch/{block}")
            layers[technique.key()] = technique.layer(p, _schedules(stack), 3, random)
        return _chain(layers)

    def merge(self, block: int) -> list[nn.Module]:
        """Where the two branches of a residual block become one; empty where it has one."""
        return [
            technique.layer(
                self._settings(technique), 3, self._streams.at(f"{technique.key()}/merge/{block}")
            )
            for technique in stacks(BranchMerge, self._structure)
        ]

    def _settings(self, technique: type[Technique]) -> PerTrial[Any]:
        """Of these trials, where a layer exists because of others."""
        name = technique.key()
        return PerTrial(tuple(getattr(trial, name) for trial in self._regularizations))

    def _masked(
        self,
        place: str,
        technique: type[ActivationDropout | WeightDropout],
        stack: PerTrial[Any],
        p: Tensor,
        dimensions: int,
    ) -> Layers:
        if not p.any():
            return {}
        name = technique.key()
        random = self._streams.at(f"{name}/{place}")
        layer = DropoutLayer(technique, p, _schedules(stack), dimensions, random)
        return {name: layer}

    def _noises(self, place: Place, dimensions: int, number: int = 0) -> Layers:
        layers: Layers = {}
        for technique, stack in stacks(NoiseTechnique, self._regularizations).items():
            name = technique.key()
            for distribution in get_args(Distribution):
                drawn = _drawn(stack, distribution)
                scale = drawn.numbers(lambda settings: settings.deviation(place))
                if scale.any():
                    layers[f"{name}_{distribution}"] = NoiseLayer(
                        technique, distribution, scale, _schedules(drawn), dimensions,
                        self._streams.at(f"{name}/{distribution}/{place}/{number}"),
                        per_row=place != "weights",
                    )  # fmt: skip
        return layers


def _rates(stack: PerTrial[Any], places: int, place: int) -> Tensor:
    return stack.numbers(lambda settings: settings.rates(places)[place])


def _drawn(stack: PerTrial[Any], distribution: Distribution) -> PerTrial[Any]:
    return stack.only(lambda settings: settings.distribution == distribution)


def _schedules(stack: PerTrial[Any]) -> list[Any]:
    return [None if member is None else member.schedule for member in stack.members]


def _chain(layers: Layers) -> nn.Module:
    """The layers one after another. What has state keeps the name of its technique."""
    if not layers:
        return nn.Identity()
    first, *others = layers.values()
    return nn.Sequential(OrderedDict(layers)) if others or first.state_dict() else first
