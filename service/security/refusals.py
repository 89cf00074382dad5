"""What a request is refused with before anything is done for it."""

from worker.caller import Permission
from worker.errors import ParsimonyError

REALM = 'Bearer realm="parsimony"'


class UnauthorizedError(ParsimonyError):
    """There is no valid key. Why is not said: none, unknown, wrong, expired and revoked are one."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__(
            "Send a valid key in the header Authorization, as `Bearer pk_…`. `parsimony keys "
            "create` makes one where the service runs."
        )


class ForbiddenError(ParsimonyError):
    """The key is not good for that, or the request comes from a place that it must not."""

    code = "forbidden"


class ScopeError(ForbiddenError):
    """The key is not good for that."""

    code = "scope_missing"

    def __init__(self, scope: Permission) -> None:
        super().__init__(
            f"This key has not the scope `{scope}`, which the operation needs; ask for one that "
            "has.",
            scope=str(scope),
        )
        self.scope = scope


class RateError(ParsimonyError):
    """The key has asked too often."""

    code = "quota_exceeded"

    def __init__(self, *, seconds: int, limit: str, headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__(
            f"This key may ask {limit}; ask again in {seconds} s.", limit=limit, seconds=seconds
        )
        self.headers = {"Retry-After": str(seconds)} | {
            name.decode(): value.decode() for name, value in headers
        }


def challenge(error: ParsimonyError) -> dict[str, str]:
    """The headers by which a client learns what it should have sent (RFC 6750), or when."""
    if isinstance(error, RateError):
        return error.headers
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": REALM}
    if isinstance(error, ScopeError):
        said = f'{REALM}, error="insufficient_scope", scope="{error.scope}"'
        return {"WWW-Authenticate": said}
    return {}
