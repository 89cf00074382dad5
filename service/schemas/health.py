"""Bodies about the service itself."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body


class Alive(Body):
    """The process answers."""

    status: Annotated[Literal["ok"], Field(examples=["ok"])] = "ok"
    """Always `ok`."""


class Ready(Body):
    """Requests can be served now."""

    status: Annotated[Literal["ready"], Field(examples=["ready"])] = "ready"
    """Always `ready`; the answer is a problem with status 503 otherwise."""
    checks: Annotated[dict[str, str], Field(examples=[{"database": "ok"}])]
    """Each part that is needed, and `ok`."""
