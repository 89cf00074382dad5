"""Waiting for a job or a prediction, as the header ``Prefer: wait=N`` asks (RFC 7240)."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Protocol, TypeVar

from fastapi import Header, Request, Response

from service.dependencies import Services
from service.schemas.jobs import JobView
from service.threads import in_pool
from service.views import stored_view
from worker.caller import Caller
from worker.errors import UnavailableError
from worker.storage import jobs
from worker.storage.states import TERMINAL

LONGEST_SECONDS = 60
SETTLE_SECONDS = 1.0


class Stateful(Protocol):
    """What may be waited for."""

    @property
    def state(self) -> str:
        """Where it stands."""


View = TypeVar("View", bound=Stateful)

Prefer = Annotated[
    str | None,
    Header(
        description=f"`wait=N`: answer when it has ended, or after N seconds (at most "
        f"{LONGEST_SECONDS}), whichever is first. The answer is as it is then.",
        examples=["wait=10"],
    ),
]


def wanted_seconds(prefer: str | None) -> int:
    """The seconds that the header asks for; 0 when it asks for none, or cannot be understood."""
    for preference in (prefer or "").split(","):
        match = re.fullmatch(r"\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(;.*)?", preference, re.IGNORECASE)
        if match:
            return min(int(match.group(1)), LONGEST_SECONDS)
    return 0


async def current(
    services: Services,
    caller: Caller,
    job_id: str,
    prefer: str | None,
    request: Request,
    response: Response,
    *,
    resolved: bool = False,
) -> JobView:
    """The job, once it has ended or the preferred time is over; ``resolved`` in full."""

    def read() -> JobView:
        return _read(services, caller, job_id, resolved)

    view = await ended(services, read, prefer, request, response)
    if view.model is not None and view.state in TERMINAL and wanted_seconds(prefer):
        # Whoever waited for the job asks its model next: the version that it made shall answer.
        with suppress(UnavailableError, TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await services.serving.settle(view.model.name, tenant=caller.tenant)
    return view


async def ended(
    services: Services,
    read: Callable[[], View],
    prefer: str | None,
    request: Request,
    response: Response,
) -> View:
    """What ``read`` gives, once that has ended or the preferred time is over.

    A client that goes away ends only its own wait. No thread is held meanwhile. While the service
    stops nobody waits.
    """
    seconds = wanted_seconds(prefer)
    if not seconds:
        return await in_pool("answers", read)
    response.headers["Preference-Applied"] = f"wait={seconds}"
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with services.notifier.subscribed():
        while True:
            change = services.notifier.next_change()
            view = await in_pool("answers", read)
            left = deadline - loop.time()
            if view.state in TERMINAL or left <= 0 or services.stopping.is_set():
                return view
            if await request.is_disconnected():
                return view
            await services.notifier.wait(change, left)


def _read(services: Services, caller: Caller, job_id: str, resolved: bool) -> JobView:
    with services.database.read() as session:
        job = jobs.find_job(session, job_id, complete=resolved, tenant=caller.tenant)
        return stored_view(session, job, services.settings.shares, resolved=resolved)
