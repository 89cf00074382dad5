"""Grid search: every combination, the last field changing fastest."""

import json
from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

from worker.errors import SpecError
from worker.search.space import Dimensions, Overrides, active, choices, steps
from worker.spec import Range, SearchSpec
from worker.spec.search import MOST_TRIALS

POINTS = 10
"""Values of a range unless the search says how many."""


def grid(search: SearchSpec, space: Dimensions, document: Mapping[str, Any]) -> list[Overrides]:
    """All combinations, each once: where a technique is off, its fields do not vary.

    Raises:
        SpecError: there are more than a search may have.
    """
    axes = [
        steps(dimension, search.points or POINTS)
        if isinstance(dimension, Range)
        else choices(path, dimension, document)
        for path, dimension in space.items()
    ]
    size = prod(map(len, axes))
    if size > MOST_TRIALS:
        raise SpecError(
            f"The grid has {size} combinations, and a search at most {MOST_TRIALS}; name fewer "
            "values, lower search.points, or draw by random.",
            param="search.space",
        )
    found: dict[str, Overrides] = {}
    for values in product(*axes):
        overrides = active(space, dict(zip(space, values, strict=True)))
        found.setdefault(json.dumps(overrides, sort_keys=True), overrides)
    return list(found.values())
