"""Webhooks: which endpoints are notified of ended jobs."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from service.dependencies import ServicesDep
from service.errors import problems
from service.operations import Operation
from service.schemas.common import Listing
from service.schemas.webhooks import MadeWebhook, NewWebhook, WebhookView
from service.security.callers import Reader, Trainer
from worker.errors import ConflictError
from worker.storage import webhooks
from worker.storage.webhooks import Webhook
from worker.webhook_target import target_of

router = APIRouter(prefix="/v1/webhooks", tags=["Webhooks"], route_class=Operation)

WebhookId = Annotated[
    str,
    Path(alias="id", description="The webhook's id.", examples=["whk_5f0c9a3e1b7d2468ace0f135"]),
]


@router.post(
    "",
    operation_id="create_webhook",
    summary="Make a webhook",
    status_code=201,
    responses=problems(409),
)
def create_webhook(
    services: ServicesDep, caller: Trainer, response: Response, body: NewWebhook
) -> MadeWebhook:
    """From now on this URL is told of the end of each job and prediction: by a POST with `type`,
    `timestamp` and `data`, which names it, signed as Standard Webhooks are: the headers
    `webhook-id`, `webhook-timestamp` and `webhook-signature`, verified with `secret`, which is
    shown this once.

    Each event is sent until it was answered with a status from 200 to 299 within 15 s, for a day,
    ever more rarely; in the order in which the jobs ended, under an id that stays the same. It may
    come twice. 410 ends all of it. Redirects are not followed.

    Refused with 409 unless the service's setting `PARSIMONY_WEBHOOKS` names hosts, and with 422
    where the URL is not of one of them, or of an address that is not public.
    """
    policy = services.settings.webhook_policy
    if not policy.hosts and not policy.loopback:
        raise ConflictError(
            "Webhooks are off here; the service's setting PARSIMONY_WEBHOOKS names the hosts that "
            "they may be sent to.",
            code="webhooks_off",
        )
    target_of(body.url, policy)
    with services.database.write() as session:
        row = webhooks.add_webhook(session, url=body.url, events=body.events, tenant=caller.tenant)
    response.headers["Location"] = f"/v1/webhooks/{row.id}"
    return MadeWebhook(**_view(row, 0).model_dump(), secret=row.secret)


@router.get("", operation_id="list_webhooks", summary="List webhooks")
def list_webhooks(services: ServicesDep, caller: Reader) -> Listing[WebhookView]:
    """All of them, the oldest first, and how telling them goes. Secrets are not shown."""
    with services.database.read() as session:
        rows = webhooks.all_webhooks(session, tenant=caller.tenant)
        pending = webhooks.pending(session, [row.id for row in rows])
        return Listing(data=[_view(row, pending.get(row.id, 0)) for row in rows], has_more=False)


@router.get("/{id}", operation_id="get_webhook", summary="Read a webhook", responses=problems(404))
def get_webhook(services: ServicesDep, caller: Reader, webhook_id: WebhookId) -> WebhookView:
    """One of them."""
    with services.database.read() as session:
        row = webhooks.find_webhook(session, webhook_id, tenant=caller.tenant)
        return _view(row, webhooks.pending(session, [row.id]).get(row.id, 0))


@router.delete(
    "/{id}",
    operation_id="delete_webhook",
    summary="Delete a webhook",
    status_code=204,
    response_class=Response,
    responses=problems(404),
)
def delete_webhook(services: ServicesDep, caller: Trainer, webhook_id: WebhookId) -> None:
    """Nothing is sent to it any more, not even what it was still to be told."""
    with services.database.write() as session:
        webhooks.remove_webhook(session, webhook_id, tenant=caller.tenant)


def _view(row: Webhook, pending: int) -> WebhookView:
    return WebhookView(
        id=row.id,
        url=row.url,
        events=row.events.split(),
        state="disabled" if row.disabled_at else "failing" if row.last_error else "ok",
        pending=pending,
        given_up=row.given_up,
        last_error=row.last_error,
        created_at=row.created_at,
    )
