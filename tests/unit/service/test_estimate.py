"""What a job will cost: by a probe where that is quick, by a formula where it is not."""

from typing import Any

import pytest

from service.estimate import estimate, largest
from service.schemas.jobs import Estimate
from worker.data import Outline, Prepared, load_builtin, sample
from worker.search import plan
from worker.spec import Builtin, JobSpec

FAST = {"training": {"epochs": 2}}
BIG = {"network": {"kind": "mlp", "hidden": [16_384, 16_384]}}


def estimated(**job: Any) -> tuple[Estimate, list[int]]:
    """An estimate, and how many rows were prepared for it."""
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline, prepared = Outline.of(table, spec, target), []

    def some(train: int, held_out: int) -> Prepared:
        prepared.append(train + held_out)
        return sample(table, spec, outline, train=train, held_out=held_out)

    return estimate(plan(spec, outline), outline, some), prepared


def test_a_small_job_is_probed_on_some_rows() -> None:
    found, prepared = estimated(**FAST)
    assert (found.method, prepared) == ("probe", [512])
    assert found.seconds > 0
    assert found.bytes > 4 * (5 * 2751 + 2 * 1000)


@pytest.mark.parametrize(
    "job",
    [
        {"split": {"folds": 5}, "repeats": 2},
        {"dataset": {"builtin": "wine"}, "training": {"batch_size": 1000}},
        {"regularization": {"batch_norm": {}, "early_stopping": {}, "mixup": {}, "swa": {}}},
        {"regularization": {"class_weights": {}, "adversarial": {}, "snapshot_ensemble": {}}},
        {
            "dataset": {"builtin": "diabetes"},
            "network": {"kind": "linear"},
            "regularization": {"l1": {"strength": 0.02}},
            "training": {"optimizer": {"kind": "solver"}},
        },
    ],
)
def test_every_kind_of_job_can_be_probed(job: dict[str, Any]) -> None:
    assert estimated(**job)[0].method == "probe"


def test_a_large_network_is_not_built() -> None:
    found, prepared = estimated(**BIG)
    assert (found.method, prepared) == ("formula", [])
    assert found.bytes > 24 * 16_384**2


def test_large_batches_are_not_run() -> None:
    wide = {"dataset": {"builtin": "circle", "rows": 500_000}}
    found, prepared = estimated(**wide, training={"batch_size": 500_000})
    assert (found.method, prepared) == ("formula", [])


def test_time_grows_with_epochs_and_fleets() -> None:
    short, long = (estimated(**BIG, training={"epochs": n})[0].seconds for n in (1, 10))
    assert long == pytest.approx(10 * short, rel=0.01)
    members = [{"name": str(n), "training": {"epochs": n}} for n in (1, 10)]
    both = estimated(**BIG, compare=members)[0]
    assert both.seconds == pytest.approx(11 * short, rel=0.01)


def test_the_largest_network_is_counted() -> None:
    members = [{"name": "wide", "network": BIG["network"]}, {"name": "plain"}]
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, "compare": members})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = Outline.of(table, spec, target)
    assert largest(plan(spec, outline), outline) == 3 * 16_384 + 16_385 * 16_384 + 16_385
