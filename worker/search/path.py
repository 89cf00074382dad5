"""A path: one field from its strongest value to its weakest, such as λ of the lasso."""

from worker.search.space import Dimensions, Overrides, steps
from worker.spec import Range, SearchSpec

POINTS = 100
"""Values on a path unless the search says how many."""


def path(search: SearchSpec, space: Dimensions) -> list[Overrides]:
    """Its points, the largest value first; values that are listed come as they are listed.

    All are trained at once, as one tensor program. For a convex problem that is what a warm start
    from point to point would find as well.
    """
    ((field, dimension),) = space.items()
    if isinstance(dimension, Range):
        points = steps(dimension, search.trials or search.points or POINTS)
        return [{field: value} for value in reversed(points)]
    return [{field: value} for value in getattr(dimension, "values", ())]
