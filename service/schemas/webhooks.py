"""Bodies about webhooks."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field

from service.schemas.common import Body
from service.schemas.jobs import WHEN

WebhookEvent = Literal[
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "prediction.succeeded",
    "prediction.failed",
    "prediction.cancelled",
]


class NewWebhook(Body):
    """Whom to tell of the ends of jobs and predictions."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://hooks.example.com/parsimony"}]}
    )

    url: Annotated[
        str,
        Field(min_length=1, max_length=2048, examples=["https://hooks.example.com/parsimony"]),
    ]
    """Where to post: https, a host and a port that the service allows."""
    events: Annotated[
        tuple[WebhookEvent, ...],
        Field(min_length=1, max_length=6, examples=[["job.succeeded"]]),
    ] = get_args(WebhookEvent)
    """What to tell; all unless given."""


class WebhookView(Body):
    """An endpoint, and how telling it goes."""

    id: Annotated[str, Field(examples=["whk_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier."""
    object: Annotated[Literal["webhook"], Field(examples=["webhook"])] = "webhook"
    """Always `webhook`."""
    url: Annotated[str, Field(examples=["https://hooks.example.com/parsimony"])]
    """Where is posted."""
    events: Annotated[list[str], Field(examples=[["job.succeeded"]])]
    """What it is told."""
    state: Annotated[Literal["ok", "failing", "disabled"], Field(examples=["ok"])]
    """`failing`: the last attempt failed, and is repeated. `disabled`: it answered 410, and nothing
    is sent any more; delete it, and make another one."""
    pending: Annotated[int, Field(examples=[0])]
    """Events that it is still to be told."""
    given_up: Annotated[int, Field(examples=[0])]
    """Events that could not be told for a day, and are told no more."""
    last_error: Annotated[str | None, Field(examples=[None])]
    """Why the last attempt failed, if it did."""
    created_at: Annotated[datetime, Field(examples=[WHEN])]
    """When it was made."""


class MadeWebhook(WebhookView):
    """An endpoint that was just made, with its secret."""

    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]
    """What its messages are signed with. It is shown this once."""
