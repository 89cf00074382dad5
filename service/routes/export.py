"""Models as files for other runtimes."""

import hashlib
import re
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.bodies import CheckedRoute
from service.dependencies import ServicesDep
from service.errors import problems
from service.routes.models import Chosen, Name
from service.security.callers import Reader
from service.threads import in_pool
from worker.models.export import ExportFormat

router = APIRouter(prefix="/v1/models", tags=["Models"], route_class=CheckedRoute)

MEDIA_TYPE = "application/octet-stream"
ExportName = Annotated[
    ExportFormat,
    Query(
        alias="format",
        description="`safetensors`, which it is unless said: the model in this project's own "
        "format. `onnx`: a graph from "
        "raw columns to answers, for ONNX Runtime and others. `pt2`: an archive for "
        "`torch.export.load`, from numbers and category numbers to answers.",
        examples=["onnx"],
    ),
]


@router.get(
    "/{name}/export",
    operation_id="export_model",
    summary="Export a model",
    response_class=Response,
    responses={
        200: {
            "description": "The file. `ETag` is its SHA-256.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404),
    },
)
async def export_model(
    services: ServicesDep,
    caller: Reader,
    name: Name,
    to: ExportName = "safetensors",
    version: Chosen = None,
) -> Response:
    """A version as one file with its preprocessing, for programs that do without this service. The
    file is run and compared with the model that serves before it is given out; one that answers
    otherwise, or has dropout in it, is refused. docs/export.md says how to use each.
    """
    resident = await services.serving.find(name, version, tenant=caller.tenant)
    content = await in_pool("reports", services.exporter.file, resident, to)
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", resident.name).strip(".") or "model"
    headers = {
        "Content-Disposition": f'attachment; filename="{plain}-{resident.version}.{to}"',
        "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
        "Cache-Control": "no-store",  # As of all answers: ETag is there to compare files by.
    }
    return Response(content, media_type=MEDIA_TYPE, headers=headers)
