"""Statistics of a model that is served."""

import os
from datetime import UTC, datetime

from fastapi import APIRouter

from service.dependencies import ServicesDep
from service.errors import problems
from service.operations import Operation
from service.routes.models import Chosen, Name
from service.schemas.serving import (
    BatchView,
    DriftView,
    LatencyView,
    StatisticsView,
    TimingView,
)
from service.security.callers import Reader
from service.serving.statistics import STAGES, Statistics, Timing

router = APIRouter(prefix="/v1/models", tags=["Predictions"], route_class=Operation)


@router.get(
    "/{name}/statistics",
    operation_id="get_model_statistics",
    summary="See a model at work",
    responses=problems(404),
)
async def get_model_statistics(
    services: ServicesDep, caller: Reader, name: Name, version: Chosen = None
) -> StatisticsView:
    """How often a model is asked, how large the batches are, where the time goes, and how often
    rows held what training did not: what changes there is drift. Counted by the process that
    answers, since it loaded the model.
    """
    resident = await services.serving.find(name, version, tenant=caller.tenant)
    return _view(resident.statistics, resident.name, resident.version)


def _view(statistics: Statistics, name: str, version: int) -> StatisticsView:
    requests, rows = statistics.pace()
    looked_at = statistics.looked_at
    met = sorted(statistics.warned.items(), key=lambda one: -one[1])
    return StatisticsView(
        model=name,
        version=version,
        process=os.getpid(),
        since=datetime.fromtimestamp(statistics.since, UTC),
        requests=statistics.requests,
        rows=statistics.rows,
        failures=statistics.failures,
        refused=statistics.refused,
        abandoned=statistics.abandoned,
        requests_per_second=requests,
        rows_per_second=rows,
        latency=LatencyView(**{stage: _timing(statistics.stages[stage]) for stage in STAGES}),
        batches=[
            BatchView(rows=size, count=timing.count, mean=timing.mean)
            for size, timing in sorted(statistics.batches.items())
        ],
        looked_at=looked_at,
        drift=[
            DriftView(column=column, code=code, rows=count, share=count / max(looked_at, 1))
            for (column, code), count in met
        ],
    )


def _timing(timing: Timing) -> TimingView:
    return TimingView(
        count=timing.count, mean=timing.mean, p50=timing.quantile(0.5), p99=timing.quantile(0.99)
    )
