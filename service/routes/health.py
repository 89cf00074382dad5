"""Whether the service lives, whether it can serve, and how its parts are.

All is read from memory, by the event loop itself: no thread is waited for that others may hold.
"""

import asyncio
from functools import partial
from typing import Literal

from fastapi import APIRouter, Request

from service.dependencies import Services, ServicesDep
from service.operations import Operation
from service.schemas.health import (
    Alive,
    LimitsView,
    Parts,
    PartView,
    QueueView,
    Ready,
    System,
    TenantView,
    WorkerView,
)
from service.security.callers import Reader, has_caller
from service.threads import in_pool
from worker.caller import Caller
from worker.errors import ParsimonyError, UnavailableError
from worker.storage import quotas
from worker.storage.workers import SeenWorker

LOOK_SECONDS = 1.0
"""How long the database is waited for, where nothing else depends on it."""

router = APIRouter(tags=["Health"], route_class=Operation)


@router.get("/livez", operation_id="livez", summary="Is the process alive?")
async def livez() -> Alive:
    """Answers 200 as long as the process can answer at all. Looks at nothing else."""
    return Alive()


@router.get("/readyz", operation_id="readyz", summary="Can requests be served?")
async def readyz(services: ServicesDep, request: Request) -> Ready:
    """Answers 200 while requests are served and jobs accepted: `ready`, or `degraded` where a part
    has failed, which `failed` names. Answers 503 when the database has failed, and from the moment
    that the service is told to stop; the problem has `failed` and `parts`, too.

    Each part is looked at every few seconds, and has failed when it does not answer within 5 s. So
    a part is named at most 10 s after it failed, and this answers at once whatever hangs.
    """
    return check_ready(services, request)


@router.get("/ping", operation_id="ping", summary="Health, as SageMaker asks for it")
async def ping(services: ServicesDep, request: Request) -> Ready:
    """The same as `/readyz`."""
    return check_ready(services, request)


@router.get("/v1/system", operation_id="get_system", summary="How is the installation?")
async def system(services: ServicesDep, caller: Reader, request: Request) -> System:
    """For people: the parts, the workers that were seen, what waits for them, and the limits.

    It shows what was found within the last seconds, and answers while parts hang.
    """
    population = services.readiness.population()
    age = 0.0 if population is None else population.age_seconds
    return System(
        release=request.app.version,
        status=_status(services),
        uptime_seconds=round(services.readiness.uptime_seconds, 3),
        parts=_parts(services),
        workers=[_worker(seen, age) for seen in (population.workers if population else ())],
        queue=None if population is None else QueueView(**vars(population.queue)),
        tenant=await _tenant(services, caller),
        age_seconds=None if population is None else round(age, 3),
        limits=LimitsView(
            **{name: getattr(services.settings, name) for name in LimitsView.model_fields}
        ),
    )


async def _tenant(services: Services, caller: Caller) -> TenantView | None:
    """What the caller's tenant has, and may have; none where the database does not say so soon."""

    def counted() -> quotas.TenantUsage:
        with services.database.read() as session:
            return quotas.usage(session, caller.tenant)

    looking = asyncio.ensure_future(in_pool("system", counted))
    looking.add_done_callback(lambda done: done.cancelled() or done.exception())
    # A thread that hangs cannot be cancelled: it is left alone, and not waited for.
    await asyncio.wait([looking], timeout=LOOK_SECONDS)
    if not looking.done():
        return None
    try:
        has = looking.result()
    except ParsimonyError:
        return None
    may = services.settings.shares.of(caller.tenant)
    most = {f"max_{name}": value for name, value in vars(may).items() if name != "weight"}
    return TenantView(name=caller.tenant, weight=may.weight, **vars(has), **most)


def check_ready(services: Services, request: Request) -> Ready:
    """What can be done now; ``UnavailableError`` when requests cannot be served.

    Why a part has failed may name hosts and paths: that is told to those alone who need no key, or
    have one.
    """
    parts = _parts(services)
    if not has_caller(request.scope):
        kept = {name: part.model_copy(update={"reason": None}) for name, part in parts}
        parts = parts.model_copy(update=kept)
    failed = [name for name, part in parts if part.state == "failed"]
    refusal = partial(UnavailableError, failed=failed, parts=parts.model_dump(mode="json"))
    status = _status(services)
    if status == "stopping":
        raise refusal("The service is stopping.", code="stopping")
    if status == "unready":
        why = f": {parts.database.reason}" if parts.database.reason else ""
        raise refusal(f"The database cannot be used{why}.", code="not_ready")
    return Ready(status=status, failed=failed, parts=parts)


def _status(services: Services) -> Literal["ready", "degraded", "unready", "stopping"]:
    if services.stopping.is_set():
        return "stopping"
    states = {name: part.state for name, part in services.readiness.parts().items()}
    if states["database"] == "failed":
        return "unready"
    return "degraded" if "failed" in states.values() else "ready"


def _parts(services: Services) -> Parts:
    states = services.readiness.parts().items()
    return Parts(**{name: PartView(**vars(part)) for name, part in states})


def _worker(seen: SeenWorker, age: float) -> WorkerView:
    state: Literal["ok", "stopping", "lost"] = "stopping" if seen.draining else "ok"
    return WorkerView(
        **vars(seen.entry),
        state=state if seen.is_there else "lost",
        started_at=seen.started_at,
        seen_seconds=round(seen.seen_seconds + age, 3),
    )
