"""What a job will cost: by a probe where that is quick, by a formula where it is not."""

from pathlib import Path
from typing import Any

import pytest
import torch

from service.estimate import GPU, Estimator
from service.schemas.jobs import Estimate
from tests.databases import new_database
from worker.data import Prepared, sample
from worker.jobs import JobIntake, TableCache
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage.artefacts import Artefacts

FAST = {"training": {"epochs": 2}}
BIG = {"network": {"kind": "mlp", "hidden": [16_384, 16_384]}}
ROOMY = 2**45
"""Bytes that no machine of ours has: what is estimated here need not fit."""


class Desk:
    """A place where jobs are estimated."""

    def __init__(self, folder: Path) -> None:
        self.settings = ServiceSettings(
            state=folder, device="cpu", workers=1, threads=2, max_job_bytes=ROOMY
        )
        self.database = new_database(folder)
        self.tables = TableCache(self.database, Artefacts(self.settings.artefacts_url))
        self.intake = JobIntake(self.settings, self.database, self.tables)
        self.estimator = Estimator(self.settings)
        self.prepared: list[int] = []
        """Rows of each sample that was asked for."""

    def estimate(self, **job: Any) -> Estimate:
        spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
        proposal = self.intake.propose(spec)

        def some(train: int, held_out: int) -> Prepared:
            self.prepared.append(train + held_out)
            table, _ = self.tables.get(spec.dataset)
            return sample(table, spec, proposal.outline, train=train, held_out=held_out)

        return self.estimator.estimate(proposal, some)

    def seconds(self, **job: Any) -> float:
        seconds = self.estimate(**job).seconds
        assert seconds is not None
        return seconds


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def ranges(found: Estimate) -> tuple[float, float, float]:
    assert found.low is not None
    assert found.seconds is not None
    assert found.high is not None
    assert found.reason is None
    return found.low, found.seconds, found.high


def test_a_small_job_is_probed_on_some_rows(desk: Desk) -> None:
    found = desk.estimate(**FAST)
    assert (found.method, desk.prepared) == ("probe", [512])
    low, seconds, high = ranges(found)
    assert 0 < low < seconds < high
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
def test_every_kind_of_job_can_be_probed(desk: Desk, job: dict[str, Any]) -> None:
    assert desk.estimate(**job).method == "probe"


def test_what_was_probed_once_is_known(desk: Desk) -> None:
    """Strengths, names, seeds and epochs do not change the time of a step."""
    members = [{"name": str(n), "regularization": {"l1": {"strength": n * 0.1}}} for n in (1, 2)]
    desk.estimate(compare=members)
    others = [{"name": str(n), "regularization": {"l1": {"strength": n * 0.2}}} for n in (3, 4)]
    again = desk.estimate(compare=others, training={"epochs": 50, "seed": 7})
    assert (again.method, len(desk.prepared)) == ("probe", 1)
    desk.estimate(compare=[*others, members[0]])
    assert len(desk.prepared) == 2


def test_the_process_keeps_its_threads(desk: Desk) -> None:
    before = torch.get_num_threads()
    desk.estimate(network={"kind": "mlp", "hidden": [400, 400]}, training={"batch_size": 256})
    assert torch.get_num_threads() == before


def test_a_large_network_is_not_built(desk: Desk) -> None:
    found = desk.estimate(**BIG)
    assert (found.method, desk.prepared) == ("formula", [])
    assert found.bytes > 24 * 16_384**2
    low, seconds, high = ranges(found)
    assert high > 10 * low  # a formula is less sure of itself than a probe
    assert low < seconds < high


def test_large_batches_are_not_run(desk: Desk) -> None:
    wide = {"dataset": {"builtin": "circle", "rows": 500_000}}
    found = desk.estimate(**wide, training={"batch_size": 500_000})
    assert (found.method, desk.prepared) == ("formula", [])


def test_time_grows_with_epochs_and_fleets(desk: Desk) -> None:
    short, long = (desk.seconds(**BIG, training={"epochs": n}) for n in (1, 10))
    assert long == pytest.approx(10 * short, rel=0.1)
    members = [{"name": str(n), "training": {"epochs": n}} for n in (1, 10)]
    assert desk.seconds(**BIG, compare=members) == pytest.approx(short + long, rel=0.1)


def test_time_grows_with_the_waves_of_a_comparison(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By formula: the two jobs have fleets of different sizes, and two probes of a busy machine
    # may differ more than the jobs do.
    monkeypatch.setattr("service.estimate.can_be_probed", lambda fleet: False)
    members = [{"name": str(n)} for n in range(20)]
    few, many = (desk.seconds(compare=members, repeats=n) for n in (50, 100))
    assert many == pytest.approx(2 * few, rel=0.5)


def test_what_stops_early_may_take_less(desk: Desk) -> None:
    training = {"epochs": 1000}
    stopping = {"early_stopping": {"patience": 9}}
    whole = ranges(desk.estimate(training=training))
    stopped = ranges(desk.estimate(training=training, regularization=stopping))
    assert stopped[0] < 0.1 * whole[0]
    assert stopped[1] < 0.4 * whole[1]
    assert stopped[2] > 0.3 * whole[2]
    members = [{"name": "whole"}, {"name": "stopped", "regularization": stopping}]
    both = ranges(desk.estimate(training=training, compare=members))
    assert both[1] > 2 * stopped[1]


def test_a_gpus_pace_is_not_known(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.estimate.has_gpu", lambda settings: True)
    desk.estimator = Estimator(desk.settings)
    found = desk.estimate(**FAST)
    assert (found.seconds, found.low, found.high, found.reason) == (None, None, None, GPU)
    assert found.bytes > 0
    assert desk.prepared == []


def test_while_another_is_probed_it_is_the_formula(desk: Desk) -> None:
    with desk.estimator._probing:
        assert desk.estimate(**FAST).method == "formula"
    assert desk.estimate(**FAST).method == "probe"
