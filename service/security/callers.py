"""Who asks, as operations are told: each says by a parameter, or a dependency, what it needs."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_type_hints

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from starlette.types import Scope

from service.security.refusals import ScopeError, UnauthorizedError
from worker.caller import Caller, Permission
from worker.errors import ParsimonyError

CALLER = "parsimony.caller"
"""What the scope of a request calls who asks, or the error that there is instead."""

PUBLIC = frozenset(
    {"livez", "readyz", "ping", "health", "version", "v2_server_live", "v2_server_ready"}
)
"""Operations that need no key: they say whether the service is well, to what asks so often that it
should not have to keep a secret."""


def caller_in(scope: Scope) -> Caller:
    """Who asks; raises what stands against it."""
    found = scope.get(CALLER)
    if isinstance(found, Caller):
        return found
    raise found if isinstance(found, ParsimonyError) else UnauthorizedError()


def has_caller(scope: Scope) -> bool:
    """Whether it is known who asks."""
    return isinstance(scope.get(CALLER), Caller)


def require(caller: Caller, needed: Permission) -> None:
    """Raise ``ScopeError`` unless the caller's key is good for that."""
    if needed not in caller.scopes:
        raise ScopeError(needed)


class Needs:
    """A dependency: whoever asks has this scope."""

    def __init__(self, scope: Permission) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Caller:
        """Who asks."""
        caller = caller_in(request.scope)
        require(caller, self.scope)
        return caller


async def current_caller(request: Request) -> Caller:
    """Who asks, whatever the operation needs."""
    return caller_in(request.scope)


AnyCaller = Annotated[Caller, Depends(current_caller)]
READ, TRAIN, PREDICT, ADMIN = (Depends(Needs(scope)) for scope in Permission)
Reader = Annotated[Caller, READ]
Trainer = Annotated[Caller, TRAIN]
Predictor = Annotated[Caller, PREDICT]
Administrator = Annotated[Caller, ADMIN]


def needed_scope(
    function: Callable[..., Any], operation: str | None, dependencies: Iterable[Any]
) -> Permission | None:
    """The scope that an operation needs; none of one that is public.

    Raises ``TypeError`` where it says neither: it would be open to everybody.
    """
    said = [*dependencies]
    for hint in get_type_hints(function, include_extras=True).values():
        said += getattr(hint, "__metadata__", ())
    scopes = {
        one.dependency.scope
        for one in said
        if isinstance(one, Dependency) and isinstance(one.dependency, Needs)
    }
    if len(scopes) != (operation not in PUBLIC):
        raise TypeError(
            f"operation {operation}: say by a parameter (caller: Reader) or a dependency what it "
            "needs, once; or list it in PUBLIC"
        )
    return next(iter(scopes), None)
