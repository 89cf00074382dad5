"""Where a technique fits: what it may know of network and data, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class NetworkFacts(Protocol):
    """What a technique may know of a network; ``worker.spec.Structure`` gives it."""

    @property
    def kind(self) -> str:
        """Its name in the specification: ``mlp``, ``cnn``, …"""

    @property
    def depth(self) -> int:
        """Layers before the output; the output is layer number ``depth``. 0: it is linear."""

    @property
    def dropout_sites(self) -> int:
        """How often an activation may be followed by dropout."""

    @property
    def conv_layers(self) -> int:
        """Convolutions; the first of the dropout sites follow them."""

    @property
    def residual_blocks(self) -> int:
        """Blocks with a shortcut around them."""


@dataclass(frozen=True)
class DataFacts:
    """What a technique may know of the data of a trial."""

    shape: tuple[int, ...]
    """Of one encoded row: ``(F,)``, ``(C, L)`` for a series, ``(C, H, W)`` for an image."""
    classes: tuple[str, ...]
    """Names of the target's classes; none in a regression."""


@dataclass(frozen=True)
class Misfit:
    """Why a technique does not fit a network or its data."""

    message: str
    """The reason and the remedy, in one sentence."""
    field: str | None = None
    """The setting that it is about, as a dotted path below the technique; none for all of it."""
    refused: bool = True
    """Whether it cannot run. Otherwise it runs without use, and is only not offered."""

    def param(self, technique: str) -> str:
        """The full path of the field that it is about."""
        path = f"regularization.{technique}"
        return path if self.field is None else f"{path}.{self.field}"


def layers_beyond(layers: Sequence[int] | None, network: NetworkFacts) -> Misfit | None:
    """The misfit of settings that name layers which a network does not have."""
    if not layers or max(layers) <= network.depth:
        return None
    return Misfit(
        f"There is no layer {max(layers)}; layers are numbered from 0 to {network.depth}.",
        field="layers",
    )
