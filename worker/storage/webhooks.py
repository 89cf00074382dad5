"""Webhooks: whom a tenant wishes to have told of the ends of its jobs and predictions, and what is
to be told yet.

What is to be told is written in the transaction that ends the job: it is there if and only if the
job has ended. Of an endpoint one thing is sent at a time, the oldest first: who takes it holds the
endpoint for a while, and nobody else sends to it meanwhile. What was answered is removed. So each
is told at least once, in the order in which jobs ended, under an id that stays the same.
"""

import base64
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Double, ForeignKey, Index, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worker.caller import DEFAULT_TENANT
from worker.errors import ConflictError, NotFoundError, SpecError
from worker.schema import Json
from worker.storage.states import Kind, State
from worker.storage.tables import Job, PredictionJob
from worker.storage.types import Base, Cursor, new_id, read_clock, utc_now

EVENTS = (
    *("job.succeeded", "job.failed", "job.cancelled"),
    *("prediction.succeeded", "prediction.failed", "prediction.cancelled"),
)
"""What there is to be told."""
_CALLED: dict[str, str] = {Kind.TRAINING: "job", Kind.PREDICTION: "prediction"}
MOST_ENDPOINTS = 20
"""Of a tenant."""
HOLD_SECONDS = 60.0
"""An endpoint that was taken by a sender which is gone is free again after so long."""
GIVE_UP_SECONDS = 86_400.0
"""What could not be told for so long is told no more."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 3_600.0
"""Between attempts, in seconds: doubled from one to the next."""
LONGEST_REASON = 200


class Webhook(Base):
    """An endpoint of a tenant, and how telling it goes."""

    __tablename__ = "webhook"
    __table_args__ = (Index("ix_webhook_tenant", "tenant"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    url: Mapped[str]
    secret: Mapped[str]
    """What signatures are made with, so that it has to lie here as it is."""
    events: Mapped[str]
    """Those that it wishes, with spaces between."""
    disabled_at: Mapped[datetime | None]
    """Since when nothing is sent, for it answered 410."""
    failures: Mapped[int] = mapped_column(default=0)
    """Attempts in a row that failed."""
    last_error: Mapped[str | None]
    """Why the last attempt failed, if it did."""
    given_up: Mapped[int] = mapped_column(BigInteger, default=0)
    """What was told no more."""
    next_at: Mapped[float] = mapped_column(Double, default=0.0)
    """When to send again, in seconds since 1970, by the database's clock."""
    held_until: Mapped[float] = mapped_column(Double, default=0.0)
    """Until when it is a sender's, by the same."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class WebhookDelivery(Base):
    """Something that an endpoint is still to be told. It does not refer to its job, which may be
    deleted before.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (Index("ix_webhook_delivery_webhook_id_id", "webhook_id", "id"),)

    id: Mapped[int] = mapped_column(Cursor, primary_key=True, autoincrement=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"))
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    event_id: Mapped[str]
    """The header ``webhook-id``: the same at every attempt."""
    payload: Mapped[Json]
    created: Mapped[float] = mapped_column(Double)
    """When the job ended, in seconds since 1970, by the database's clock."""


@dataclass(frozen=True)
class Due:
    """What is to be sent now, by whoever holds it."""

    webhook_id: str
    url: str
    secret: str
    delivery_id: int
    event_id: str
    payload: Json
    held_until: float


# Endpoints.


def add_webhook(
    session: Session, *, url: str, events: Sequence[str], tenant: str = DEFAULT_TENANT
) -> Webhook:
    """Add an endpoint, with a secret of its own; ``ConflictError`` where there are too many."""
    there = session.scalar(select(func.count()).where(Webhook.tenant == tenant)) or 0
    if there >= MOST_ENDPOINTS:
        raise ConflictError(
            f"There are {there} webhooks, and no more than {MOST_ENDPOINTS}; delete one.",
            code="too_many_webhooks",
        )
    webhook = Webhook(
        id=new_id("whk"),
        tenant=tenant,
        url=url,
        secret=f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
        events=" ".join(event for event in EVENTS if event in events),
    )
    session.add(webhook)
    session.flush()
    return webhook


def all_webhooks(session: Session, *, tenant: str = DEFAULT_TENANT) -> list[Webhook]:
    """The tenant's endpoints, the oldest first."""
    query = select(Webhook).where(Webhook.tenant == tenant)
    return list(session.scalars(query.order_by(Webhook.created_at, Webhook.id)))


def find_webhook(session: Session, webhook_id: str, *, tenant: str = DEFAULT_TENANT) -> Webhook:
    """The tenant's endpoint of this id; ``NotFoundError`` without one."""
    query = select(Webhook).where(Webhook.id == webhook_id, Webhook.tenant == tenant)
    webhook = session.scalar(query)
    if webhook is None:
        raise NotFoundError(
            f"there is no webhook {webhook_id}; GET /v1/webhooks lists yours", param="id"
        )
    return webhook


def check_named(session: Session, webhook_id: str, *, tenant: str = DEFAULT_TENANT) -> None:
    """``SpecError`` where a job names an endpoint that its tenant has not."""
    try:
        find_webhook(session, webhook_id, tenant=tenant)
    except NotFoundError as error:
        raise SpecError(error.message, code="unknown_webhook", param="webhook") from error


def pending(session: Session, webhook_ids: Sequence[str]) -> dict[str, int]:
    """How much each of some endpoints is still to be told; those without are left out."""
    counted = session.execute(
        select(WebhookDelivery.webhook_id, func.count())
        .where(WebhookDelivery.webhook_id.in_(webhook_ids))
        .group_by(WebhookDelivery.webhook_id)
    )
    return {str(webhook_id): int(count) for webhook_id, count in counted}


def remove_webhook(session: Session, webhook_id: str, *, tenant: str = DEFAULT_TENANT) -> None:
    """Forget an endpoint, and what it was still to be told; ``NotFoundError`` without one."""
    session.delete(find_webhook(session, webhook_id, tenant=tenant))


# The outbox.


def announce(session: Session, job: Job) -> None:
    """Write down whom to tell that a job has ended, in the transaction that ends it."""
    event = f"{_CALLED[job.kind]}.{job.state}"
    if event not in EVENTS:
        return
    endpoints = session.execute(
        select(Webhook.id, Webhook.events).where(
            Webhook.tenant == job.tenant, Webhook.disabled_at.is_(None)
        )
    ).all()
    named = job.spec.get("webhook")
    webhook_ids = [
        webhook_id
        for webhook_id, events in endpoints
        if event in events.split() or webhook_id == named
    ]
    if not webhook_ids:
        return
    now, event_id = read_clock(session), new_id("evt")
    payload: Json = {"type": event, "timestamp": now.isoformat(), "data": _brief(session, job)}
    session.add_all(
        WebhookDelivery(
            webhook_id=webhook_id,
            tenant=job.tenant,
            event_id=event_id,
            payload=payload,
            created=now.timestamp(),
        )
        for webhook_id in webhook_ids
    )


def _brief(session: Session, job: Job) -> Json:
    """What is told of a job, or of a prediction: enough to know which it is, and to go on with its
    model, or with the one that answered.
    """
    model = None
    if job.kind == Kind.PREDICTION:
        prediction = session.get_one(PredictionJob, job.id)
        model = {"name": prediction.model_name, "version": prediction.version}
    elif job.model_name is not None and job.state == State.SUCCEEDED:
        model = {"name": job.model_name, "version": job.model_version}
    error = None
    if job.error is not None:
        error = {"code": job.error.code, "message": job.error.message[:LONGEST_REASON]}
    return {
        "object": _CALLED[job.kind],
        "id": job.id,
        "name": job.name,
        "state": str(job.state),
        "model": model,
        "error": error,
    }


def take_due(session: Session, *, limit: int, now: float | None = None) -> list[Due]:
    """Hold some endpoints that are to be told something now, and say what."""
    now = read_clock(session).timestamp() if now is None else now
    oldest = (
        select(WebhookDelivery.webhook_id, func.min(WebhookDelivery.id).label("delivery_id"))
        .group_by(WebhookDelivery.webhook_id)
        .subquery()
    )
    first = session.execute(
        select(oldest.c.webhook_id, oldest.c.delivery_id)
        .join(Webhook, Webhook.id == oldest.c.webhook_id)
        .where(Webhook.next_at <= now, Webhook.held_until <= now, Webhook.disabled_at.is_(None))
        .order_by(Webhook.next_at)
        .limit(limit)
    ).all()
    taken = []
    for webhook_id, delivery_id in first:
        webhook = session.scalar(
            select(Webhook)
            .where(Webhook.id == webhook_id, Webhook.held_until <= now, Webhook.next_at <= now)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        delivery = session.get(WebhookDelivery, delivery_id)
        if webhook is None or delivery is None:  # another sender was faster
            continue
        webhook.held_until = now + HOLD_SECONDS
        taken.append(
            Due(
                webhook.id,
                webhook.url,
                webhook.secret,
                delivery.id,
                delivery.event_id,
                delivery.payload,
                webhook.held_until,
            )
        )
    return taken


def _held(session: Session, due: Due) -> Webhook | None:
    """The endpoint, if it is still the caller's who took this."""
    return session.scalar(
        select(Webhook)
        .where(Webhook.id == due.webhook_id, Webhook.held_until == due.held_until)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def mark_told(session: Session, due: Due) -> None:
    """The endpoint has answered."""
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.id == due.delivery_id))
    webhook = _held(session, due)
    if webhook is not None:
        webhook.failures, webhook.last_error = 0, None
        webhook.next_at = webhook.held_until = 0.0


def mark_gone(session: Session, due: Due) -> None:
    """The endpoint has answered that it is gone: nothing is sent to it from now on."""
    webhook = _held(session, due)
    if webhook is not None:
        webhook.disabled_at, webhook.last_error = utc_now(), "it answered 410 Gone"
        webhook.held_until = 0.0
        of_it = WebhookDelivery.webhook_id == webhook.id
        session.execute(delete(WebhookDelivery).where(of_it))


def mark_failed(
    session: Session,
    due: Due,
    reason: str,
    *,
    now: float | None = None,
    jitter: float | None = None,
) -> None:
    """The endpoint has not answered, or not well: again later; or no more, after a day."""
    webhook = _held(session, due)
    if webhook is None:
        return
    now = read_clock(session).timestamp() if now is None else now
    pause = webhook_pause(webhook.failures, random.random() if jitter is None else jitter)
    webhook.failures += 1
    webhook.last_error = reason[:LONGEST_REASON]
    webhook.next_at, webhook.held_until = now + pause, 0.0
    gone = session.scalars(
        delete(WebhookDelivery)
        .where(
            WebhookDelivery.webhook_id == webhook.id,
            WebhookDelivery.created <= now - GIVE_UP_SECONDS,
        )
        .returning(WebhookDelivery.id)
    ).all()
    webhook.given_up += len(gone)


def webhook_pause(failures: int, jitter: float) -> float:
    """Seconds to the next attempt after so many that failed before: half of it is chance, so that
    many endpoints of one host do not come back at once.
    """
    whole = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 20))
    return whole * (0.5 + 0.5 * jitter)
