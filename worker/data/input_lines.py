"""How the inputs of a network follow from the columns, where that is a line."""

import numpy as np
from numpy.typing import NDArray

from worker.data.encoder import Encoder
from worker.data.inputs import width
from worker.errors import DataError


def input_lines(encoder: Encoder) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How an input follows from its column: x = slope · r + shift, float64 [F] each.

    F inputs of the network, without the offset. r is the number as the table has it (a missing
    one filled), a part of a date with `days` since 1970-01-01, or 1 for the cell's category and
    0 for the others. Where the training rows told nothing apart, both are 0. What is clipped to
    the largest number does not count.

    Raises:
        DataError: the only column holds images, or numbers are bent by a smooth clipping.
    """
    if encoder.pixels is not None:
        raise DataError("Pixels have no inputs of their own.", code="image_column")
    if encoder.clips_smoothly and encoder.acts.any():
        raise DataError(
            "robust_smooth_clip bends the numbers, so no input is a line in its column; choose "
            "robust or standardize.",
            code="bent_inputs",
        )
    inputs_of_network = width(encoder.features)
    slope, shift = np.zeros(inputs_of_network), np.zeros(inputs_of_network)
    hit, miss = encoder.indicators
    place = number = category = 0
    for column, count in zip(encoder.features, encoder.widths, strict=False):
        inputs = slice(place, place + count)
        if column.kind == "categorical":
            these = slice(category, category + count)
            slope[inputs] = hit[these].astype(np.float64) - miss[these]
            shift[inputs] = miss[these]
            category += count
        else:
            these = slice(number, number + count)
            slope[inputs] = encoder.acts[these] / encoder.scale[these]
            shift[inputs] = -slope[inputs] * encoder.center[these]
            number += count
        place += count
    return slope, shift
