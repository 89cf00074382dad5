"""Random search: independent draws, each a function of the seed and its number alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from worker.search.space import Dimensions, Overrides, active, choices, place
from worker.spec import Range


def draw(seed: int, number: int, space: Dimensions, document: Mapping[str, Any]) -> Overrides:
    """Configuration ``number`` of a search.

    Source: Bergstra & Bengio 2012, Random search for hyper-parameter optimization, JMLR 13.
    """
    shares = np.random.default_rng([seed, number]).random(len(space)).tolist()
    drawn: Overrides = {}
    for (path, dimension), share in zip(space.items(), shares, strict=True):
        if isinstance(dimension, Range):
            drawn[path] = place(dimension, share)
        else:
            options = choices(path, dimension, document)
            drawn[path] = options[int(share * len(options))]
    return active(space, drawn)
