"""What a version of a model has learnt: its coefficients, and its file."""

import base64
import re
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response, StreamingResponse

from service.bodies import CheckedRoute
from service.dependencies import ServicesDep
from service.errors import problems
from service.learnt_views import coefficients_view
from service.routes.models import Name, Version
from service.schemas.learnt import CoefficientsView
from service.security.callers import Reader
from service.streams import pieces
from worker.spec import without_off
from worker.storage import models

router = APIRouter(
    prefix="/v1/models/{name}/versions/{version}", tags=["Models"], route_class=CheckedRoute
)

LinearName = Annotated[str, Path(description="A model's name.", examples=["diabetes"])]
SAFETENSORS = "application/octet-stream"


@router.get(
    "/coefficients",
    operation_id="get_coefficients",
    summary="Read the coefficients of a linear network",
    responses=problems(404, 409),
)
def get_coefficients(
    services: ServicesDep,
    caller: Reader,
    name: LinearName,
    version: Version,
    limit: Annotated[
        int,
        Query(ge=1, le=100_000, description="Most coefficients in the answer.", examples=[1000]),
    ] = 10_000,
    skip: Annotated[
        int,
        Query(ge=0, lt=2**31, description="How many to leave out before them.", examples=[0]),
    ] = 0,
) -> CoefficientsView:
    """What a network of the kind `linear` has learnt, input by input and class by class: in the
    units of columns and target, with centring and scaling folded in, and as the network has it.
    Other networks have none: 409.
    """
    with services.database.read() as session:
        row = models.resolve(session, name, version, tenant=caller.tenant)
        settings = models.origin(session, row).settings
    coefficients = services.model_files.coefficients(row)
    target = services.model_files.manifest(row).target
    return coefficients_view(
        coefficients,
        name=name,
        version=row.version,
        target=target["column"],
        regularization=without_off(settings).get("regularization", {}),
        window=slice(skip, skip + limit),
    )


@router.get(
    "/file",
    operation_id="get_model_file",
    summary="Download a version's safetensors file",
    response_class=Response,
    responses={
        200: {
            "description": "The file. `ETag` and `Repr-Digest` hold its SHA-256, and "
            "`Parsimony-Position` says which trial of it the version is.",
            "content": {SAFETENSORS: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404),
    },
)
def get_model_file(
    services: ServicesDep,
    caller: Reader,
    name: Name,
    version: Version,
    of: Annotated[
        Literal["trial", "fleet"],
        Query(
            description="`trial`: the version's trial alone, at position 0. `fleet`: the stored "
            "file, whose SHA-256 the version tells. It may hold all trials that trained together; "
            "the header `Parsimony-Position` says which of them the version is.",
            examples=["trial"],
        ),
    ] = "trial",
) -> Response:
    """Weights, preprocessing and manifest in one safetensors file, streamed. Where the stored file
    holds one trial both are the same. docs/model-file.md rebuilds the network from it.
    """
    with services.database.read() as session:
        row = models.resolve(session, name, version, tenant=caller.tenant)
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip(".") or "model"
    if of == "fleet":
        file = services.artefacts.open(row.path, row.sha256)
        headers = _headers(f"{plain}-{row.version}.fleet", row.sha256, row.bytes, row.position)
        return StreamingResponse(pieces(file), media_type=SAFETENSORS, headers=headers)
    own = services.model_files.own(row, name)
    headers = _headers(f"{plain}-{row.version}", own.sha256, len(own.content), position=0)
    return Response(own.content, media_type=SAFETENSORS, headers=headers)


def _headers(name: str, sha256: str, size: int, position: int) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    return {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{name}.safetensors"',
        "ETag": f'"{sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530
        "Parsimony-Position": str(position),
        "Cache-Control": "no-store",
    }
