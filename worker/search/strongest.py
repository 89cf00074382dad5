"""Where the path of a linear network begins: the smallest λ at which every weight is 0."""

import numpy as np

from worker.data import Prepared
from worker.spec import JobSpec, LinearSpec, Range

WEAKEST = 1e-3
"""The other end, as a share of it; scikit-learn's paths end there as well."""
ABOVE = 1.001
"""At λ_max itself, rounding decides whether a weight is 0."""
L1, ELASTIC_NET = "regularization.l1.strength", "regularization.elastic_net.strength"


def is_open(spec: JobSpec) -> bool:
    """Whether a job follows a path whose range is best read off its data, and names none."""
    search = spec.search
    return (
        search is not None
        and search.method == "path"
        and search.over in (L1, ELASTIC_NET)
        and isinstance(spec.network, LinearSpec)
        and not (isinstance(search.space, dict) and search.over in search.space)
    )


def closed(spec: JobSpec, data: Prepared) -> JobSpec:
    """The job with the range of its path written out: from λ_max to a thousandth of it.

    λ_max = max |∂f/∂w| / ρ at w = 0, the intercept being at its optimum, over the first split's
    training rows; ρ is 1 for the lasso and the elastic net's share of L1.

    Source: Friedman, Hastie & Tibshirani 2010, J. Stat. Softw. 33(1), section 2.5.
    """
    search, elastic = spec.search, spec.regularization.elastic_net
    if search is None or search.over is None:
        return spec
    rows = data.splits[0].train
    x, y = data.x[0][rows].astype(np.float64), data.y[0][rows]
    if data.target.task == "multiclass":
        targets = np.eye(data.target.outputs)[y]
    else:
        targets = y.astype(np.float64)[:, None] * (2 if data.target.task == "regression" else 1)
    gradient = x.T @ (targets - targets.mean(0)) / len(rows)
    ratio = elastic.l1_ratio if search.over == ELASTIC_NET and elastic is not None else 1.0
    highest = float(np.abs(gradient).max()) / max(ratio, WEAKEST)
    highest *= ABOVE
    if not highest > 0:
        return spec
    range_ = Range(low=highest * WEAKEST, high=highest, log=True)
    changed = search.model_copy(update={"space": {search.over: range_}})
    return spec.model_copy(update={"search": changed})
