"""Real workers score a data set; whatever dies, the file is that of an undisturbed prediction."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.databases import KINDS, Databases
from tests.integration.running import Running, running
from tests.waiting import until
from worker.jobs import PredictionIntake, TableCache
from worker.jobs import predictions as intake
from worker.settings import ServiceSettings
from worker.spec import PredictionSpec
from worker.storage import predictions
from worker.storage.artefacts import Artefacts
from worker.storage.predictions import PredictionRows
from worker.storage.states import TERMINAL

PARTS, PART_ROWS = 50, 100
pytestmark = pytest.mark.slow
CIRCLE = {"builtin": "circle", "rows": PARTS * PART_ROWS, "seed": 3}


@pytest.fixture(scope="module")
def here(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("state")
    with databases.url(database_kind, state) as url:
        settings = ServiceSettings(
            state=state,
            database_url=url,
            heartbeat_seconds=0.1,
            lease_seconds=2.0,
            ring_after_seconds=1.0,
            retry_seconds=0.0,
            threads=1,
        )
        with running(settings) as here:
            yield here


@pytest.fixture
def asked(here: Running, monkeypatch: pytest.MonkeyPatch) -> "Asked":
    monkeypatch.setattr(intake, "PART_ROWS", PART_ROWS)
    return Asked(here)


class Asked:
    """Predictions of many small parts, by a model of the circle problem."""

    def __init__(self, here: Running) -> None:
        self._here = here
        artefacts = Artefacts(here.settings.artefacts_url)
        tables = TableCache(here.database, artefacts)
        self._intake = PredictionIntake(here.database, artefacts, tables)

    def post(self) -> str:
        spec = PredictionSpec.model_validate({"model": "circle", "dataset": CIRCLE})
        accepted = self._intake.accept_once(spec)
        self._here.reconciler.nudge()
        return accepted.rows.job.id

    def now(self, prediction_id: str) -> PredictionRows:
        with self._here.database.read() as session:
            return predictions.find_prediction(session, prediction_id)

    def under_way(self, prediction_id: str) -> int:
        """Wait until some parts are done; how many rows."""
        until(lambda: self.now(prediction_id).prediction.rows_done >= 5 * PART_ROWS)
        rows = self.now(prediction_id)
        assert rows.job.state == "running"
        return rows.prediction.rows_done

    def ended(self, prediction_id: str) -> PredictionRows:
        until(lambda: self.now(prediction_id).job.state in TERMINAL)
        return self.now(prediction_id)


@pytest.fixture(scope="module")
def trained(here: Running) -> None:
    job = here.ended(here.post(training={"epochs": 2}, model="circle"))
    assert (job.state, job.error) == ("succeeded", None)


@pytest.mark.database_kinds(*KINDS)
def test_a_killed_worker_leads_to_the_same_file(here: Running, trained: None, asked: Asked) -> None:
    whole = asked.ended(asked.post())
    assert (whole.job.state, whole.fleet.attempt) == ("succeeded", 1)
    assert whole.prediction.metrics is not None
    disturbed = asked.post()
    asked.under_way(disturbed)
    os.kill(here.trainer_pid(), signal.SIGKILL)
    done = asked.ended(disturbed)
    assert (done.job.state, done.fleet.attempt) == ("succeeded", 2)
    assert done.prediction.rows_done == PARTS * PART_ROWS
    assert done.fleet.result_sha256 == whole.fleet.result_sha256
    assert done.prediction.metrics == whole.prediction.metrics


def test_a_killed_supervisor_loses_its_lease_and_nothing_else(
    here: Running, trained: None, asked: Asked
) -> None:
    whole = asked.ended(asked.post())
    disturbed = asked.post()
    done_before = asked.under_way(disturbed)
    owner = asked.now(disturbed).fleet.owner
    assert owner is not None
    os.kill(int(owner.rpartition(":")[2]), signal.SIGKILL)
    until(lambda: asked.now(disturbed).job.state == "queued")
    assert asked.now(disturbed).prediction.rows_done >= done_before
    done = asked.ended(disturbed)
    assert done.fleet.result_sha256 == whole.fleet.result_sha256
    assert done.prediction.metrics == whole.prediction.metrics
