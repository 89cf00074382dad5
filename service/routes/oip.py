"""The Open Inference Protocol, version 2: what KServe, Triton and their clients speak."""

from typing import TypeVar, cast

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service.bodies import read_body
from service.body_limit import JSON_BYTES
from service.dependencies import Services, ServicesDep
from service.errors import MalformedError, Responses, UnsupportedError, problems
from service.operations import Operation
from service.routes.health import check_ready
from service.routes.models import Name, Version
from service.schemas.oip import (
    IndexedModel,
    IndexRequest,
    InferResponse,
    ModelConfig,
    ModelList,
    ModelMetadata,
    ModelReady,
    ModelStatistics,
    RepositoryRequest,
    Said,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from service.security.callers import Administrator, Predictor, Reader
from service.serving.doors.exchange import Call
from service.serving.doors.oip.infer import InferDoor
from service.serving.doors.oip.metadata import EXTENSIONS, SERVER, model_config, model_metadata
from service.serving.doors.oip.statistics import model_statistics
from service.serving.encodings import decompressed
from service.threads import in_pool
from worker.caller import Caller
from worker.errors import ModelError, UnavailableError
from worker.schema import Json
from worker.storage.artefacts import ArtefactError
from worker.storage.models import no_model

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], route_class=Operation)

Content = TypeVar("Content", bound=Said)

_TENSORS: Responses = {
    **problems(404, 501),
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    },
}


def _body(schema: str, *, required: bool) -> Json:
    """Documents a body that is read as it comes, whatever its Content-Type says."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    content = {"application/json": {"schema": reference}}
    return {"requestBody": {"required": required, "content": content}}


@router.get("", operation_id="v2_server", summary="What answers here")
async def server(request: Request, caller: Reader) -> ServerMetadata:
    """Name, release, and the protocol's extensions that there are."""
    return ServerMetadata(name=SERVER, version=request.app.version, extensions=list(EXTENSIONS))


@router.get("/health/live", operation_id="v2_server_live", summary="Is the process alive?")
async def live() -> ServerLive:
    """Answers 200 as long as the process can answer at all."""
    return ServerLive()


@router.get("/health/ready", operation_id="v2_server_ready", summary="Can requests be served?")
async def ready(services: ServicesDep, request: Request) -> ServerReady:
    """Answers 200 and 503 as `/readyz` does."""
    try:
        check_ready(services, request)
    except UnavailableError as error:
        raise UnavailableError(error.message, code=error.code, ready=False) from error
    return ServerReady()


@router.get("/models", operation_id="v2_models", summary="List the names of models")
async def models(services: ServicesDep, caller: Reader) -> ModelList:
    """As KServe has it: names and nothing else, in the order of the alphabet."""
    index = await services.serving.index(tenant=caller.tenant)
    return ModelList(models=sorted({version.name for version in index}))


@router.get("/models/stats", operation_id="v2_all_statistics", summary="Statistics of all models")
async def all_statistics(services: ServicesDep, caller: Reader) -> ModelStatistics:
    """Of the models in memory, in the process that answers."""
    return ModelStatistics(**model_statistics(services.serving.residents(tenant=caller.tenant)))


@router.get(
    "/models/{name}",
    operation_id="v2_model",
    summary="What a model takes and gives",
    responses=problems(404),
    response_model_exclude_none=True,
)
async def metadata(services: ServicesDep, caller: Reader, name: Name) -> ModelMetadata:
    """The tensors of a request and of an answer: of the version that answers."""
    return await _metadata(services, caller, name, None)


@router.get(
    "/models/{name}/versions/{version}",
    operation_id="v2_model_version",
    summary="What a version takes and gives",
    responses=problems(404),
    response_model_exclude_none=True,
)
async def version_metadata(
    services: ServicesDep, caller: Reader, name: Name, version: Version
) -> ModelMetadata:
    """The tensors of a request and of an answer."""
    return await _metadata(services, caller, name, version)


async def _metadata(
    services: Services, caller: Caller, name: str, version: str | None
) -> ModelMetadata:
    versions = await _versions(services, caller, name)
    return ModelMetadata(
        **model_metadata(await services.serving.find(name, version, tenant=caller.tenant), versions)
    )


async def _versions(services: Services, caller: Caller, name: str) -> list[int]:
    """A model's versions, oldest first; ``NotFoundError`` without one."""
    versions = [
        one.version
        for one in await services.serving.index(tenant=caller.tenant)
        if one.name == name
    ]
    if not versions:
        raise no_model(name)
    return sorted(versions)


@router.get(
    "/models/{name}/ready",
    operation_id="v2_model_ready",
    summary="Can a model answer?",
    responses=problems(404),
)
async def model_ready(services: ServicesDep, caller: Reader, name: Name) -> ModelReady:
    """Answers 200 when the version that answers is loaded and certified, and 503 with the reason
    when it was unloaded or does not pass. One that is not in memory is loaded for that.
    """
    return await _ready(services, caller, name, None)


@router.get(
    "/models/{name}/versions/{version}/ready",
    operation_id="v2_version_ready",
    summary="Can a version answer?",
    responses=problems(404),
)
async def version_ready(
    services: ServicesDep, caller: Reader, name: Name, version: Version
) -> ModelReady:
    """As for the model."""
    return await _ready(services, caller, name, version)


async def _ready(services: Services, caller: Caller, name: str, version: str | None) -> ModelReady:
    try:
        await services.serving.find(name, version, tenant=caller.tenant)
    except (ModelError, ArtefactError, UnavailableError) as error:
        raise UnavailableError(error.message, code=error.code, name=name, ready=False) from error
    return ModelReady(name=name)


@router.get(
    "/models/{name}/config",
    operation_id="v2_model_config",
    summary="A model's configuration, as Triton has it",
    responses=problems(404),
)
async def config(services: ServicesDep, caller: Reader, name: Name) -> ModelConfig:
    """Inputs, outputs and how they are joined: of the version that answers."""
    return ModelConfig(
        **model_config(await services.serving.find(name, None, tenant=caller.tenant))
    )


@router.get(
    "/models/{name}/versions/{version}/config",
    operation_id="v2_version_config",
    summary="A version's configuration, as Triton has it",
    responses=problems(404),
)
async def version_config(
    services: ServicesDep, caller: Reader, name: Name, version: Version
) -> ModelConfig:
    """Inputs, outputs and how they are joined."""
    return ModelConfig(
        **model_config(await services.serving.find(name, version, tenant=caller.tenant))
    )


@router.get(
    "/models/{name}/stats",
    operation_id="v2_model_statistics",
    summary="Statistics of a model",
    responses=problems(404),
)
async def statistics(services: ServicesDep, caller: Reader, name: Name) -> ModelStatistics:
    """Of its versions in memory, in the process that answers; none before the first request."""
    await _versions(services, caller, name)
    held = [
        resident
        for resident in services.serving.residents(tenant=caller.tenant)
        if resident.name == name
    ]
    return ModelStatistics(**model_statistics(held))


@router.get(
    "/models/{name}/versions/{version}/stats",
    operation_id="v2_version_statistics",
    summary="Statistics of a version",
    responses=problems(404),
)
async def version_statistics(
    services: ServicesDep, caller: Reader, name: Name, version: Version
) -> ModelStatistics:
    """In the process that answers, since it was loaded; it is loaded for that."""
    return ModelStatistics(
        **model_statistics([await services.serving.find(name, version, tenant=caller.tenant)])
    )


@router.post(
    "/models/{name}/infer",
    operation_id="v2_infer",
    summary="Infer",
    response_model=InferResponse,
    responses=_TENSORS,
    openapi_extra=_body("InferRequest", required=True),
)
async def infer(services: ServicesDep, caller: Predictor, request: Request, name: Name) -> Response:
    """Answers in eval mode, as `POST /v1/models/{name}/predict` gives them, to the bit. Tensors
    come and go as JSON or as bytes; a body may be compressed by gzip or deflate, and so may the
    answer. A matrix of all columns, or a tensor of images, may have any name.
    """
    return await _infer(services, caller, request, {"name": name})


@router.post(
    "/models/{name}/versions/{version}/infer",
    operation_id="v2_infer_version",
    summary="Infer by a version",
    response_model=InferResponse,
    responses=_TENSORS,
    openapi_extra=_body("InferRequest", required=True),
)
async def infer_version(
    services: ServicesDep, caller: Predictor, request: Request, name: Name, version: Version
) -> Response:
    """As for the model; the version may be an alias."""
    return await _infer(services, caller, request, {"name": name, "version": version})


async def _infer(
    services: Services, caller: Caller, request: Request, path: dict[str, str]
) -> Response:
    call = Call(path, b"", request.scope["headers"], await _whole(request), caller)
    reply = await InferDoor(services.serving).answer(call)
    response = Response(reply.body, reply.status)
    response.raw_headers += reply.headers
    return response


@router.post(
    "/repository/index",
    operation_id="v2_index",
    summary="List every version of every model",
    openapi_extra=_body("IndexRequest", required=False),
)
async def index(services: ServicesDep, caller: Reader, request: Request) -> list[IndexedModel]:
    """`READY` is what a request would be answered with, though it may have to be loaded first."""
    only_ready = (await _content(request, IndexRequest)).ready
    listed = await services.serving.index(tenant=caller.tenant)
    return [
        IndexedModel(name=one.name, version=str(one.version), state=one.state, reason=one.reason)
        for one in listed
        if one.state == "READY" or not only_ready
    ]


@router.post(
    "/repository/models/{name}/unload",
    operation_id="v2_unload",
    summary="Take a model out of service",
    responses=problems(404),
    openapi_extra=_body("RepositoryRequest", required=False),
)
async def unload(
    services: ServicesDep, caller: Administrator, request: Request, name: Name
) -> Json:
    """Its memory is given back, and it is not ready until it is loaded again. Nothing that is
    stored is lost.
    """
    await _content(request, RepositoryRequest)
    await services.serving.unload(name, tenant=caller.tenant)
    return {}


@router.post(
    "/repository/models/{name}/load",
    operation_id="v2_load",
    summary="Load a model",
    responses=problems(404, 501),
    openapi_extra=_body("RepositoryRequest", required=False),
)
async def load(services: ServicesDep, caller: Administrator, request: Request, name: Name) -> Json:
    """The version that answers is loaded and certified before the answer comes."""
    for key in (await _content(request, RepositoryRequest)).parameters:
        if key == "config" or key.startswith("file:"):
            raise UnsupportedError(
                "A model is loaded as it was trained: its file has its configuration. Leave config "
                "and files out.",
                param=f"parameters.{key}",
            )
    await services.serving.load(name, tenant=caller.tenant)
    return {}


async def _whole(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise MalformedError("The body ended before all of it had come.") from error


async def _content(request: Request, model: type[Content]) -> Content:
    """A small body of JSON, which may be empty, whatever its Content-Type says."""
    coding = request.headers.get("content-encoding", "")
    body = decompressed(await _whole(request), coding, JSON_BYTES)
    content = await in_pool("answers", read_body, body if body.strip() else b"{}", model)
    return cast(Content, content)
