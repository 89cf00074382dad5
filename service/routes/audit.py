"""The audit log."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.dependencies import ServicesDep
from service.operations import Operation
from service.schemas.audit import AuditView
from service.schemas.common import Limit, Listing
from service.security.callers import Administrator
from worker.storage import audit

router = APIRouter(prefix="/v1/audit", tags=["Health"], route_class=Operation)


@router.get("", operation_id="list_audit", summary="Who did what")
def list_audit(
    services: ServicesDep,
    caller: Administrator,
    after: Annotated[
        int,
        Query(ge=0, lt=2**63, description="The last line's id that you have read.", examples=[0]),
    ] = 0,
    limit: Limit = 100,
) -> Listing[AuditView]:
    """The audit of the key's tenant, oldest first: each request that changed something or was
    refused to, with the key that it came by. Lines are never changed; they go by age, as the
    setting PARSIMONY_KEEP_AUDIT_DAYS says. `parsimony audit` writes those of all tenants.
    """
    with services.database.read() as session:
        page = audit.audit_page(session, tenant=caller.tenant, after=after, limit=limit)
    return Listing(
        data=[AuditView.model_validate(row) for row in page.items], has_more=page.has_more
    )
