"""One finding."""

from typing import Any, Literal

from pydantic import Field

from worker.schema import Settings


class Advice(Settings):
    """One finding. It never stops a job; what must not run is an error instead."""

    severity: Literal["info", "warning"]
    """`warning`: the result is probably not what was wanted. `info`: worth knowing."""
    code: str
    """Machine-readable name of the rule."""
    field: str | None
    """The field of the spec that it is about, as a dotted path."""
    message: str
    """The finding in one sentence."""
    evidence: dict[str, Any] = Field(default_factory=dict)
    """The numbers behind it."""
    fix: str
    """What to do about it."""
