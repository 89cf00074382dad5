"""The data sets that need no upload: the circle problem, and five that scikit-learn carries.

Decisions:

* `circle` draws as the owner's text does, bit for bit: NumPy's legacy generator, seeded.
* `diabetes` comes in its own units (age in years, …), not in scikit-learn's scaled form: the
  preprocessing scales, and predictions are asked for in units that people know.
* A target's categories are the class names that scikit-learn gives; the digits' are 0 to 9.
"""

import numpy as np
from numpy.typing import NDArray

from worker.data.table import Cells, Table, categorical, numeric
from worker.spec import Builtin, BuiltinName

_TARGETS = {
    BuiltinName.BREAST_CANCER: "diagnosis",
    BuiltinName.WINE: "cultivar",
    BuiltinName.IRIS: "species",
    BuiltinName.DIABETES: "progression",
    BuiltinName.DIGITS: "digit",
}


def load_builtin(ref: Builtin) -> tuple[Table, str]:
    """The table and the name of its target."""
    if ref.builtin is BuiltinName.CIRCLE:
        return _circle(ref.rows, ref.seed), "outside"
    return _scikit_learn(ref.builtin), _TARGETS[ref.builtin]


def _circle(rows: int, seed: int) -> Table:
    """Points uniform on [-2, 2]², class 1 where x₁² + x₂² > 5; about 9.8 % are."""
    points = np.random.RandomState(seed).rand(rows, 2) * 4 - 2
    outside = (points[:, 0] ** 2 + points[:, 1] ** 2 > 5).astype(np.int64)
    return Table.of(
        [
            numeric("x1", points[:, 0]),
            numeric("x2", points[:, 1]),
            categorical("outside", ("0", "1"), outside),
        ]
    )


def _scikit_learn(name: BuiltinName) -> Table:
    # Imported where it is used: it takes a second, and most jobs bring their own data.
    from sklearn import datasets

    options = {"scaled": False} if name is BuiltinName.DIABETES else {}
    bunch = getattr(datasets, f"load_{name.value}")(**options)
    features: NDArray[np.float64] = bunch.data
    columns: list[Cells] = [
        numeric(str(feature), features[:, position])
        for position, feature in enumerate(bunch.feature_names)
    ]
    if name is BuiltinName.DIABETES:
        return Table.of([*columns, numeric(_TARGETS[name], bunch.target)])
    labels = [str(label) for label in bunch.target_names]
    return Table.of([*columns, categorical(_TARGETS[name], labels, bunch.target)])
