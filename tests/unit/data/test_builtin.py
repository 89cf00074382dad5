import numpy as np
import pytest

from worker.data import load_builtin, resolve_target
from worker.spec import Builtin, BuiltinName


def test_circle_is_the_draw_of_the_text() -> None:
    table, target = load_builtin(Builtin(builtin=BuiltinName.CIRCLE))
    points = np.random.RandomState(42).rand(1000, 2) * 4 - 2
    np.testing.assert_array_equal(table.values["x1"], points[:, 0])
    np.testing.assert_array_equal(table.values["x2"], points[:, 1])
    outside = points[:, 0] ** 2 + points[:, 1] ** 2 > 5
    np.testing.assert_array_equal(table.values[target], outside)
    assert table.column(target).categories == ("0", "1")


def test_circle_reads_rows_and_seed() -> None:
    first, _ = load_builtin(Builtin(builtin=BuiltinName.CIRCLE, rows=50, seed=1))
    second, _ = load_builtin(Builtin(builtin=BuiltinName.CIRCLE, rows=50, seed=2))
    assert first.rows == 50
    assert not np.array_equal(first.values["x1"], second.values["x1"])


@pytest.mark.parametrize(
    ("name", "rows", "features", "target", "task", "classes"),
    [
        ("circle", 1000, 2, "outside", "binary", 2),
        ("breast_cancer", 569, 30, "diagnosis", "binary", 2),
        ("wine", 178, 13, "cultivar", "multiclass", 3),
        ("iris", 150, 4, "species", "multiclass", 3),
        ("digits", 1797, 64, "digit", "multiclass", 10),
        ("diabetes", 442, 10, "progression", "regression", 0),
    ],
)
def test_every_set(
    name: str, rows: int, features: int, target: str, task: str, classes: int
) -> None:
    table, default = load_builtin(Builtin(builtin=BuiltinName(name)))
    assert (table.rows, len(table.columns), default) == (rows, features + 1, target)
    resolved = resolve_target(table, default)
    assert (resolved.task, len(resolved.classes)) == (task, classes)


def test_classes_keep_their_rows() -> None:
    from sklearn.datasets import load_breast_cancer

    table, target = load_builtin(Builtin(builtin=BuiltinName.BREAST_CANCER))
    bunch = load_breast_cancer()
    categories = table.column(target).categories
    assert categories == ("benign", "malignant")
    named = [categories[code] for code in table.values[target]]
    assert named == [bunch.target_names[number] for number in bunch.target]
