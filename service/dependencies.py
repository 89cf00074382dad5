"""What the routes work with: everything that is open while the service runs."""

import threading
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from service.estimate import Estimator
from service.exporter import Exporter
from service.live import Feeds
from service.model_files import ModelFiles
from service.notifier import ChangeNotifier
from service.readiness import Readiness
from service.reading.reader import Reader
from service.security.auditor import Auditor
from service.security.callers import AnyCaller
from service.security.gate import Gate
from service.security.rates import Rates
from service.serving.engine import ServingEngine
from service.telemetry.telemetry import Telemetry
from worker.errors import NotFoundError
from worker.jobs import JobIntake, JobRows, PredictionIntake, TableCache
from worker.runtime.collector import Collector
from worker.runtime.reconciler import Reconciler
from worker.settings import ServiceSettings
from worker.storage import datasets, jobs, predictions
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database


@dataclass(frozen=True)
class Services:
    """Opened when the application starts, closed when it stops."""

    settings: ServiceSettings
    database: Database
    gate: Gate
    rates: Rates
    auditor: Auditor
    artefacts: Artefacts
    reconciler: Reconciler
    collector: Collector
    notifier: ChangeNotifier
    feeds: Feeds
    readiness: Readiness
    reader: Reader
    tables: TableCache
    intake: JobIntake
    rows: JobRows
    predictions: PredictionIntake
    serving: ServingEngine
    estimator: Estimator
    exporter: Exporter
    model_files: ModelFiles
    stopping: threading.Event
    """Set once the service is told to stop. It answers for a while yet, but lets nobody wait."""
    telemetry: Telemetry


async def services_of(request: Request) -> Services:
    """The services of the application that answers this request."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]

LATEST = "latest"
"""In place of an id: the newest. What deletes or cancels takes ids only: by the time that it is
asked, another may be the newest."""


def _plain(given: str) -> str:
    if given == LATEST:
        raise NotFoundError(
            "`latest` is for reading only: by the time that this is done another may be the "
            "newest. Please give the id.",
            param="id",
        )
    return given


def _plain_job_id(
    given: Annotated[
        str, Path(alias="id", description="A job's id.", examples=["job_5f0c9a3e1b7d2468ace0f135"])
    ],
) -> str:
    return _plain(given)


def _plain_dataset_id(
    given: Annotated[
        str,
        Path(alias="id", description="A data set's id.", examples=["ds_5f0c9a3e1b7d2468ace0f135"]),
    ],
) -> str:
    return _plain(given)


def _plain_prediction_id(
    given: Annotated[
        str,
        Path(
            alias="id", description="A prediction's id.", examples=["pred_5f0c9a3e1b7d2468ace0f135"]
        ),
    ],
) -> str:
    return _plain(given)


PlainJobId = Annotated[str, Depends(_plain_job_id)]
PlainDatasetId = Annotated[str, Depends(_plain_dataset_id)]
PlainPredictionId = Annotated[str, Depends(_plain_prediction_id)]


def job_id(
    services: ServicesDep,
    caller: AnyCaller,
    given: Annotated[
        str,
        Path(
            alias="id",
            description="A job's id, or `latest` for the newest job.",
            examples=[LATEST],
        ),
    ],
) -> str:
    """The id that a path names; ``NotFoundError`` for the newest job where there is none."""
    if given != LATEST:
        return given
    with services.database.read() as session:
        for job in jobs.job_page(session, limit=1, tenant=caller.tenant).items:
            return job.id
    raise NotFoundError("there is no job yet; POST /v1/jobs accepts one", param="id")


def dataset_id(
    services: ServicesDep,
    caller: AnyCaller,
    given: Annotated[
        str,
        Path(
            alias="id",
            description="A data set's id, or `latest` for the newest data set.",
            examples=[LATEST],
        ),
    ],
) -> str:
    """The id that a path names; ``NotFoundError`` for the newest data set where there is none."""
    if given != LATEST:
        return given
    with services.database.read() as session:
        for dataset in datasets.dataset_page(session, limit=1, tenant=caller.tenant).items:
            return dataset.id
    raise NotFoundError("there is no data set yet; POST /v1/datasets uploads one", param="id")


def prediction_id(
    services: ServicesDep,
    caller: AnyCaller,
    given: Annotated[
        str,
        Path(
            alias="id",
            description="A prediction's id, or `latest` for the newest prediction.",
            examples=[LATEST],
        ),
    ],
) -> str:
    """The id that a path names; ``NotFoundError`` for the newest where there is none."""
    if given != LATEST:
        return given
    with services.database.read() as session:
        for rows in predictions.prediction_page(session, limit=1, tenant=caller.tenant).items:
            return rows.job.id
    raise NotFoundError("there is no prediction yet; POST /v1/predictions accepts one", param="id")


JobId = Annotated[str, Depends(job_id)]
DatasetId = Annotated[str, Depends(dataset_id)]
PredictionId = Annotated[str, Depends(prediction_id)]
