"""Whether the service lives, and whether it can serve."""

from fastapi import APIRouter
from sqlalchemy import text

from service.dependencies import Services, ServicesDep
from service.operations import Operation
from service.schemas.health import Alive, Ready

router = APIRouter(tags=["Health"], route_class=Operation)


@router.get("/livez", operation_id="livez", summary="Is the process alive?")
async def livez() -> Alive:
    """Answers 200 as long as the process can answer at all. Looks at nothing else."""
    return Alive()


@router.get("/readyz", operation_id="readyz", summary="Can requests be served?")
def readyz(services: ServicesDep) -> Ready:
    """Answers 200 when the database answers, 503 otherwise.

    Redis is not asked: jobs are accepted, kept and started later while it is away.
    """
    return check_ready(services)


@router.get("/ping", operation_id="ping", summary="Health, as SageMaker asks for it")
def ping(services: ServicesDep) -> Ready:
    """The same as `/readyz`."""
    return check_ready(services)


def check_ready(services: Services) -> Ready:
    """That the database answers; ``UnavailableError`` if it does not."""
    with services.database.read() as session:
        session.execute(text("SELECT 1"))
    return Ready(checks={"database": "ok"})
