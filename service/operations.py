"""The route of every operation: it runs in its pool of threads, and its answer is written there.

FastAPI writes answers on the event loop; a page of a thousand items stopped it for 50 ms.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, get_type_hints

from fastapi import Depends, Request, params
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from service.conventions import only_known_parameters
from service.security.auditor import Auditor, is_recorded
from service.security.callers import caller_in, needed_scope, require
from service.threads import POOLS, Pool, in_pool
from worker.errors import ParsimonyError

Writer = Callable[[Any], bytes]
"""Makes the JSON of what a function gives."""


class Operation(APIRoute):
    """A route whose function, unless it is a coroutine, runs in the pool of its operation."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        operation_id: str | None = None,
        status_code: int | None = None,
        response_model_exclude_unset: bool = False,
        response_model_exclude_none: bool = False,
        **options: Any,
    ) -> None:
        function = inspect.unwrap(endpoint)
        if not inspect.iscoroutinefunction(function):
            write = _writer(
                get_type_hints(function).get("return"),
                exclude_unset=response_model_exclude_unset,
                exclude_none=response_model_exclude_none,
            )
            pool = POOLS.get(operation_id or "", "answers")
            endpoint = _in_its_pool(function, pool, write, status_code or 200)
        dependencies: Sequence[params.Depends] = options.pop("dependencies", None) or ()
        self.needs = needed_scope(function, operation_id, dependencies)
        super().__init__(
            path,
            endpoint,
            dependencies=[Depends(only_known_parameters), *dependencies],
            operation_id=operation_id,
            status_code=status_code,
            response_model_exclude_unset=response_model_exclude_unset,
            response_model_exclude_none=response_model_exclude_none,
            **options,
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers, behind the check of who asks: before anything of a body is read."""
        handle = self.unguarded()

        async def guarded(request: Request) -> Response:
            self.check_caller(request)
            return await handle(request)

        if not is_recorded(self.methods, self.operation_id):
            return guarded

        async def recorded(request: Request) -> Response:
            auditor: Auditor = request.app.state.services.auditor
            caller, action = caller_in(request.scope), self.operation_id or ""
            try:
                answer = await guarded(request)
            except ParsimonyError as error:
                await auditor.record(caller, action, request, error)
                raise
            await auditor.record(caller, action, request, answer)
            return answer

        return recorded

    def unguarded(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers whoever may ask: FastAPI's handler."""
        return super().get_route_handler()

    def check_caller(self, request: Request) -> None:
        """Refuse whoever has not the scope that this needs; raises as ``caller_in`` does."""
        if self.needs is not None:
            require(caller_in(request.scope), self.needs)


def _in_its_pool(
    function: Callable[..., Any], pool: Pool, write: Writer | None, status: int
) -> Callable[..., Any]:
    def answer(**values: Any) -> Any:
        result = function(**values)
        if write is None or isinstance(result, Response):
            return result
        written = Response(write(result), status, media_type="application/json")
        if isinstance(values.get("response"), Response):
            written.headers.raw.extend(values["response"].headers.raw)
        return written

    @functools.wraps(function)
    async def answered(**values: Any) -> Any:
        return await in_pool(pool, answer, **values)

    return answered


def _writer(model: Any, *, exclude_unset: bool, exclude_none: bool) -> Writer | None:
    """What writes a model as the route's options say; none where it answers no model."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return None
    return functools.partial(
        TypeAdapter(model).dump_json,
        by_alias=True,
        exclude_unset=exclude_unset,
        exclude_none=exclude_none,
    )
