"""The audit, as it is read."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.schemas.common import Body


class AuditView(Body):
    """A line of the audit: who did what."""

    model_config = ConfigDict(from_attributes=True)

    id: Annotated[int, Field(examples=[17])]
    """Grows from line to line: the cursor `after`."""
    object: Annotated[Literal["audit_entry"], Field(examples=["audit_entry"])] = "audit_entry"
    """Always `audit_entry`."""
    at: Annotated[datetime, Field(examples=["2026-11-28T12:00:00Z"])]
    """When it was written."""
    tenant: Annotated[str, Field(examples=["default"])]
    """For whom it was done."""
    key_id: Annotated[str | None, Field(examples=["key_5f0c9a3e1b7d2468"])]
    """The key; null where none was needed, or on the command line."""
    action: Annotated[str, Field(examples=["create_job"])]
    """The operation's name, as this document has it; of a command `cli.` and its name."""
    resource: Annotated[str | None, Field(examples=["job_5f0c9a3e1b7d2468ace0f135"])]
    """What it was done to: an id, or a model's name with version or alias."""
    outcome: Annotated[str, Field(examples=["done"])]
    """`done`, or the code of the error that it was refused with."""
    request_id: Annotated[str | None, Field(examples=["req_5f0c9a3e1b7d00000001"])]
    """The answer's `X-Request-Id`."""
