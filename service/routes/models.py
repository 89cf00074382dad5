"""Models: names, versions, aliases, certificates."""

import logging
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.bodies import CheckedRoute
from service.dependencies import Services, ServicesDep
from service.errors import problems
from service.learnt_views import manifest_view
from service.schemas.common import Limit, Listing
from service.schemas.models import (
    AliasRequest,
    CertificateView,
    ModelSummary,
    ModelVersionView,
    ModelView,
)
from service.security.callers import Administrator, Reader
from service.threads import in_pool
from service.views import model_summary, model_view, version_view
from worker.errors import ModelError, ParsimonyError, UnavailableError
from worker.spec import shown
from worker.storage import models
from worker.storage.artefacts import ArtefactError

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/models", tags=["Models"], route_class=CheckedRoute)

Name = Annotated[str, Path(description="A model's name.", examples=["circle"])]
VERSION = r"^([0-9]{1,9}|[A-Za-z][A-Za-z0-9_.-]{0,63})$"
Version = Annotated[
    str, Path(pattern=VERSION, description="A version's number, or an alias.", examples=["1"])
]
Number = Annotated[int, Path(ge=1, le=999_999_999, description="A version's number.", examples=[1])]
Alias = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        description="A name that begins with a letter. `production` answers predictions that "
        "ask for no version.",
        examples=["production"],
    ),
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
    caller: Reader,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[ModelSummary]:
    """The models, newest first, in short: `GET /v1/models/{name}` has all versions and aliases."""
    with services.database.read() as session:
        page = models.model_page(session, limit=limit, after=after, tenant=caller.tenant)
        data = [model_summary(brief) for brief in models.briefs(session, page.items)]
    return Listing(data=data, has_more=page.has_more)


@router.get("/{name}", operation_id="get_model", summary="Read a model", responses=problems(404))
def get_model(services: ServicesDep, caller: Reader, name: Name) -> ModelView:
    """A model: its versions, and the aliases that point at them."""
    with services.database.read() as session:
        return model_view(models.describe(session, name, tenant=caller.tenant))


@router.get(
    "/{name}/versions/{version}",
    operation_id="get_model_version",
    summary="Read a version",
    responses=problems(404),
)
def get_model_version(
    services: ServicesDep, caller: Reader, name: Name, version: Version
) -> ModelVersionView:
    """One version of a model: where it comes from, what it predicts, how good it is, what is left
    of its network, and what rebuilds it.
    """
    with services.database.read() as session:
        row = models.resolve(session, name, version, tenant=caller.tenant)
        origin = models.origin(session, row)
        split, dataset = models.division(session, row)
    file, ranges, incomplete = None, {}, None
    try:
        file = services.model_files.manifest(row)
        ranges = services.model_files.ranges(row)
    except (ArtefactError, ModelError, UnavailableError) as error:
        incomplete = f"The version's file cannot be read now: {error.message}"
    manifest = manifest_view(
        row,
        origin.settings,
        split=None if split is None else shown({"split": split})["split"],
        dataset=dataset,
        file=file,
        ranges=ranges,
        incomplete=incomplete,
    )
    return version_view(row, name, origin, manifest)


@router.put(
    "/{name}/aliases/{alias}",
    operation_id="set_alias",
    summary="Point an alias at a version",
    responses=problems(404, 409),
)
async def put_alias(
    services: ServicesDep,
    caller: Administrator,
    name: Name,
    alias: Alias,
    body: AliasRequest,
) -> ModelView:
    """Sets or moves an alias. The version is loaded and certified first: one that does not pass is
    refused, and the alias stays as it is. Requests that are under way keep the version that they
    began with; other processes of the service follow within a second.
    """
    await services.serving.set_alias(name, alias, body.version, tenant=caller.tenant)
    return await in_pool("answers", get_model, services, caller, name)


@router.delete(
    "/{name}/aliases/{alias}",
    operation_id="delete_alias",
    summary="Delete an alias",
    status_code=204,
    response_class=Response,
    responses=problems(404),
)
async def remove_alias(
    services: ServicesDep, caller: Administrator, name: Name, alias: Alias
) -> None:
    """Deletes an alias; the version that it points at stays. Without `production`, requests that
    ask for no version are answered by the newest. Requests that are under way keep the version that
    they began with; other processes of the service follow within a second.
    """
    await services.serving.delete_alias(name, alias, tenant=caller.tenant)


@router.delete(
    "/{name}/versions/{version}",
    operation_id="delete_model_version",
    summary="Delete a version",
    status_code=204,
    response_class=Response,
    responses=problems(404, 409),
)
async def delete_model_version(
    services: ServicesDep, caller: Administrator, name: Name, version: Number
) -> None:
    """Deletes a version and, unless its job is kept, its file. Refused while an alias points at it:
    point that at another version first, or delete it. Requests without a version are then answered
    by the newest that is left; other processes of the service follow within a second. Its number is
    not given again.
    """
    await _remove(services, await services.serving.delete(name, version, tenant=caller.tenant))


@router.delete(
    "/{name}",
    operation_id="delete_model",
    summary="Delete a model",
    status_code=204,
    response_class=Response,
    responses=problems(404, 409),
)
async def delete_model(services: ServicesDep, caller: Administrator, name: Name) -> None:
    """Deletes a model with all its versions and aliases, and the files of those versions whose jobs
    are gone. Refused while a prediction of a stored data set needs it. Other processes of the
    service answer 404 within a second.
    """
    await _remove(services, await services.serving.delete(name, tenant=caller.tenant))


async def _remove(services: Services, folders: Sequence[str]) -> None:
    """Remove files that nobody needs. The model is deleted, whether this works or not."""

    def remove() -> None:
        for folder in folders:
            try:
                services.artefacts.delete(folder)
            except (OSError, ParsimonyError) as error:
                log.warning("%s is left to `parsimony gc`: %s", folder, error)

    if folders:
        await in_pool("answers", remove)


@router.get(
    "/{name}/certificate",
    operation_id="get_certificate",
    summary="Read a model's certificate",
    responses=problems(404),
)
async def get_certificate(
    services: ServicesDep, caller: Reader, name: Name, version: Chosen = None
) -> CertificateView:
    """The checks that a version must pass before it is served, and what they found here: every
    module in eval mode, the same bits twice, rows independent of their batch, answers as recorded
    when training ended.
    """
    number, certificate = await services.serving.certificate(name, version, tenant=caller.tenant)
    return CertificateView(
        model=name,
        version=number,
        passed=certificate.passed,
        issued_at=certificate.issued_at,
        checks=list(certificate.checks),
    )
