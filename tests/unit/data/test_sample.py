"""A few rows, prepared as all of them would be."""

from typing import Any

import numpy as np
import pytest

from worker.data import check, load_builtin, prepare, sample
from worker.spec import Builtin, JobSpec


@pytest.mark.parametrize(
    "job",
    [
        {"dataset": {"builtin": "iris"}},
        {"dataset": {"builtin": "circle"}, "split": {"folds": 3}},
        {"dataset": {"builtin": "diabetes"}, "preprocessing": {"target": "none"}},
        {"dataset": {"builtin": "diabetes"}},
    ],
)
def test_a_sample_is_like_the_whole_but_for_its_rows(job: dict[str, Any]) -> None:
    spec = JobSpec.model_validate(job)
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    some = sample(table, spec, check(table, spec, target), train=30, held_out=10)
    whole = prepare(table, spec, target)
    assert some.x.shape == (len(whole.splits), 40, *whole.shape)
    assert (some.x.dtype, some.y.dtype) == (whole.x.dtype, whole.y.dtype)
    assert (some.features, some.target) == (whole.features, whole.target)
    assert some.target_scale.shape == whole.target_scale.shape
    assert [len(split.train) for split in some.splits] == [30] * len(whole.splits)
    assert [len(split.validation) for split in some.splits] == [10] * len(whole.splits)
    assert np.isfinite(some.x).all()
    if some.target.classes:
        assert len(np.unique(some.y)) == len(some.target.classes)
