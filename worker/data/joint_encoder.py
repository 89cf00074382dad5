"""Several encoders of the same columns side by side: the preprocessing of an ensemble's folds.

The networks of a cross-validation were trained on features of their own folds' constants. What
answers for all of them together encodes a row once for each encoder, and each network takes its
part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.encoder import Encoder
from worker.data.pixels import PixelScaling
from worker.data.table import Table


@dataclass(frozen=True, eq=False)
class JointEncoder(Encoder):
    """E encoders of the same columns. A row's features are those of each, one after another:
    ``[E·F]``, or ``[E·C, …]`` of images.

    Its own constants say what any of the encoders knows: a category counts as seen, and a number as
    within the range, where it does for one of them.
    """

    parts: tuple[Encoder, ...] = ()

    @classmethod
    def join(cls, parts: Sequence[Encoder]) -> Self:
        """The encoders, at least one, as one."""
        first, low, high = parts[0], None, None
        if all(part.low is not None and part.high is not None for part in parts):
            low = np.minimum.reduce([part.low for part in parts if part.low is not None])
            high = np.maximum.reduce([part.high for part in parts if part.high is not None])
        return cls(
            columns=first.columns,
            preprocessing=first.preprocessing,
            fill=first.fill,
            center=first.center,
            scale=first.scale,
            acts=np.maximum.reduce([part.acts for part in parts]),
            seen=np.maximum.reduce([part.seen for part in parts]),
            pixels=_of_all([part.pixels for part in parts if part.pixels is not None]),
            left_out=first.left_out,
            low=low,
            high=high,
            parts=tuple(parts),
        )

    @property
    def inputs(self) -> int:
        """E·F."""
        return len(self.parts) * super().inputs

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row's features, those of all encoders."""
        first, *others = super().shape
        return (len(self.parts) * first, *others)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """As of one encoder, again and again."""
        return super().feature_names * len(self.parts)

    def transform(
        self, table: Table, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Encode every row by each of the encoders."""
        joined = np.concatenate([part.transform(table) for part in self.parts], axis=1)
        if out is None:
            return joined
        out[...] = joined
        return out

    def transform_numbers(self, matrix: NDArray[Any]) -> NDArray[np.float32]:
        """As `Encoder.transform_numbers`, by each of the encoders."""
        return np.concatenate([part.transform_numbers(matrix) for part in self.parts], axis=1)


def _of_all(pixels: Sequence[PixelScaling]) -> PixelScaling | None:
    """The first, with the range of all."""
    if not pixels:
        return None
    ranges = np.stack([one.range for one in pixels])
    return PixelScaling(
        np.array([ranges[:, 0].min(), ranges[:, 1].max()]), pixels[0].center, pixels[0].scale
    )
