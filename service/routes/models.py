"""Models: names, versions, aliases, certificates."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.bodies import CheckedRoute
from service.dependencies import ServicesDep
from service.errors import problems
from service.schemas.common import Limit, Listing
from service.schemas.models import (
    AliasRequest,
    CertificateView,
    ModelSummary,
    ModelVersionView,
    ModelView,
)
from service.threads import in_pool
from service.views import model_summary, model_view, version_view
from worker.storage import jobs, models
from worker.storage.tables import TrialRow

router = APIRouter(prefix="/v1/models", tags=["Models"], route_class=CheckedRoute)

Name = Annotated[str, Path(description="A model's name.", examples=["circle"])]
VERSION = r"^([0-9]{1,9}|[A-Za-z][A-Za-z0-9_.-]{0,63})$"
Version = Annotated[
    str, Path(pattern=VERSION, description="A version's number, or an alias.", examples=["1"])
]
Chosen = Annotated[
    str | None,
    Query(
        pattern=VERSION,
        description="A version's number, or an alias. Without one: `production` where that alias "
        "is set, the newest version otherwise.",
    ),
]


@router.get("", operation_id="list_models", summary="List models", responses=problems(404))
def list_models(
    services: ServicesDep,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[ModelSummary]:
    """The models, newest first, in short: `GET /v1/models/{name}` has all versions and aliases."""
    with services.database.read() as session:
        page = models.model_page(session, limit=limit, after=after)
        data = [model_summary(brief) for brief in models.briefs(session, page.items)]
    return Listing(data=data, has_more=page.has_more)


@router.get("/{name}", operation_id="get_model", summary="Read a model", responses=problems(404))
def get_model(services: ServicesDep, name: Name) -> ModelView:
    """A model: its versions, and the aliases that point at them."""
    with services.database.read() as session:
        return model_view(models.describe(session, name))


@router.get(
    "/{name}/versions/{version}",
    operation_id="get_model_version",
    summary="Read a version",
    responses=problems(404),
)
def get_model_version(services: ServicesDep, name: Name, version: Version) -> ModelVersionView:
    """One version of a model: where it comes from, what it predicts, how good it is, what is left
    of its network, and what rebuilds it.
    """
    with services.database.read() as session:
        row = models.resolve(session, name, version)
        job = jobs.find_job(session, row.job_id, complete=False)
        trial = session.get_one(TrialRow, row.trial_id)
        return version_view(row, name, trial, job.understood)


@router.put(
    "/{name}/aliases/{alias}",
    operation_id="set_alias",
    summary="Point an alias at a version",
    responses=problems(404, 409),
)
async def put_alias(
    services: ServicesDep,
    name: Name,
    alias: Annotated[
        str,
        Path(
            pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
            description="A name that begins with a letter. `production` answers predictions that "
            "ask for no version.",
            examples=["production"],
        ),
    ],
    body: AliasRequest,
) -> ModelView:
    """Sets or moves an alias. The version is loaded and certified first: one that does not pass is
    refused, and the alias stays as it is. Requests that are under way keep the version that they
    began with; other processes of the service follow within a second.
    """
    await services.serving.set_alias(name, alias, body.version)
    return await in_pool("answers", get_model, services, name)


@router.get(
    "/{name}/certificate",
    operation_id="get_certificate",
    summary="Read a model's certificate",
    responses=problems(404),
)
async def get_certificate(
    services: ServicesDep, name: Name, version: Chosen = None
) -> CertificateView:
    """The checks that a version must pass before it is served, and what they found here: every
    module in eval mode, the same bits twice, rows independent of their batch, answers as recorded
    when training ended.
    """
    number, certificate = await services.serving.certificate(name, version)
    return CertificateView(
        model=name,
        version=number,
        passed=certificate.passed,
        issued_at=certificate.issued_at,
        checks=list(certificate.checks),
    )
