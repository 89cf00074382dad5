"""Plain rows of ensembles with several encoders: read once, encoded by each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.encoder import Encoder
from worker.data.joint_encoder import JointEncoder
from worker.data.plain import PlainReader
from worker.data.scaling import smooth_clip


@dataclass(frozen=True, eq=False)
class JointPlainReader(PlainReader):
    """Reads the plain rows of E encoders. ``center`` and ``scale`` are 0 and 1: what is read are
    the numbers as they are, ``[N, P]``.
    """

    centers: NDArray[np.float64] | None = None
    scales: NDArray[np.float64] | None = None
    """[E, P]"""
    silences: NDArray[np.bool_] | None = None
    """[E, F]: the numbers that do not act."""
    hits: NDArray[np.float32] | None = None
    rests: NDArray[np.float32] | None = None
    """[E, F]: what a category's input is where it is the row's, and elsewhere."""

    def features(self, instances: Sequence[Any]) -> NDArray[np.float32] | None:
        """As `PlainReader.features`: ``[N, E·F]``."""
        rows = self._rows(instances)
        values = self._values(rows)
        if values is None or not self._is_ordinary(values):
            return None
        x = np.zeros((len(rows), self.inputs), dtype=np.float32)
        if self.categories and not self._categories(rows, x):
            return None
        return self._joined(x, values)

    def encode(self, rows: Sequence[Sequence[float]] | NDArray[np.float64]) -> NDArray[np.float32]:
        """As `PlainReader.encode`: ``[N, E·F]``."""
        x = np.zeros((len(rows), self.inputs), dtype=np.float32)
        return self._joined(x, np.array(rows, dtype=np.float64))

    def matrix_features(self, matrix: NDArray[Any]) -> NDArray[np.float32] | None:
        """As `PlainReader.matrix_features`: ``[N, E·F]``."""
        if self.categories or matrix.shape[1] != len(self.names):
            return None
        values = matrix.astype(np.float64)
        return self.encode(values) if self._is_ordinary(values) else None

    def _joined(self, x: NDArray[np.float32], values: NDArray[np.float64]) -> NDArray[np.float32]:
        """What is read as each encoder has it; of the inputs of numbers only the places count."""
        if (
            self.centers is None
            or self.scales is None
            or self.silences is None
            or self.hits is None
            or self.rests is None
        ):
            raise ValueError("this reader was not made by `plain_reader`")
        joined = np.where(x[:, None] != 0.0, self.hits, self.rests)
        if values.shape[1]:
            scaled = (values[:, None] - self.centers) / self.scales
            joined[:, :, self.places] = smooth_clip(scaled) if self.clips_smoothly else scaled
            joined[:, self.silences] = 0.0
        return joined.reshape(len(x), -1)


def plain_reader(encoder: Encoder, beside: Collection[str] = ()) -> PlainReader | None:
    """The reader of an encoder's plain rows, or of those of several; as `PlainReader.of`."""
    if not isinstance(encoder, JointEncoder):
        return PlainReader.of(encoder, beside)
    whole = JointPlainReader.of(encoder, beside)
    parts = [PlainReader.of(part, beside) for part in encoder.parts]
    known = [part for part in parts if part is not None]
    if whole is None or len(known) < len(parts):
        return None
    width = encoder.parts[0].inputs
    silences = np.zeros((len(known), width), dtype=bool)
    for silence, part in zip(silences, known, strict=True):
        silence[part.silent] = True
    return replace(
        whole,
        inputs=width,
        center=np.zeros_like(whole.center),
        scale=np.ones_like(whole.scale),
        silent=whole.silent[:0],
        hit=np.ones(width, dtype=np.float32),
        resting=np.zeros(width, dtype=np.float32),
        centers=np.stack([part.center for part in known]),
        scales=np.stack([part.scale for part in known]),
        silences=silences,
        hits=np.stack([part.hit for part in known]),
        rests=np.stack([part.resting for part in known]),
    )
