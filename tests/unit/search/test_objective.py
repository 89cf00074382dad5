"""What a search may be best in: exactly the metrics that its trials end with."""

import pytest

from tests.fleets import trained
from worker.data import check, load_builtin, prepare
from worker.search import plan
from worker.search.objective import metrics
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun


@pytest.mark.parametrize("name", ["circle", "iris", "diabetes"])
@pytest.mark.parametrize("validation", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["sgd", "solver"])
def test_the_metrics_are_those_that_a_trial_ends_with(
    name: str, validation: float, kind: str
) -> None:
    spec = JobSpec.model_validate(
        {
            "dataset": {"builtin": name},
            "split": {"validation": validation, "test": 0.1},
            "network": {"kind": "linear"},
            "training": {"epochs": 1, "optimizer": {"kind": kind}},
        }
    )
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = check(table, spec, target)
    (fleet,) = plan(spec, outline)
    (result,) = trained(FleetRun(fleet.trials, prepare(table, spec, target))).results()
    assert set(metrics(spec, outline)) == set(result.metrics)
