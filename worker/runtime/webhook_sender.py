"""Tells endpoints of the ends of jobs, signed as Standard Webhooks are, until they have answered.

Any number of senders may run, one in each HTTP process: what is to be sent lies in the database,
and who takes an endpoint holds it. One that dies with it, or does not learn that it was answered,
has it told once more, under the same id.
"""

import base64
import hashlib
import hmac
import http.client
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import orjson

from worker.errors import UnavailableError
from worker.logs import Outage
from worker.settings import ServiceSettings
from worker.storage import webhooks
from worker.storage.database import Database
from worker.storage.webhooks import Due
from worker.webhook_target import (
    Address,
    Resolve,
    TargetError,
    TargetPolicy,
    WebhookTarget,
    addresses_of,
    look_up,
    post,
    target_of,
)

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
AT_ONCE = 4
"""Endpoints that one process sends to at a time."""
STOP_SECONDS = 2.0
GONE = 410

Post = Callable[[WebhookTarget, Sequence[Address], dict[str, str], bytes], int]


def signature(secret: str, event_id: str, stamp: int, body: bytes) -> str:
    """``v1,`` and HMAC-SHA256 of ``id.timestamp.body``, base64.

    Source: Standard Webhooks, specification 1.0.0.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b"%s.%d.%s" % (event_id.encode(), stamp, body)
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


class WebhookSender:
    """One loop; :meth:`tick` is one turn of it.

    Args:
        settings: where webhooks may be sent; nowhere unless given, and then nothing is started.
        resolve, post: how names are looked up, and requests sent.
        now: seconds since 1970 that pauses are counted by; the database's unless given.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        *,
        resolve: Resolve = look_up,
        post: Post = post,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._policy: TargetPolicy = settings.webhook_policy
        self._database = database
        self._resolve, self._post, self._now = resolve, post, now
        self._outage = Outage(logger, "the webhooks' database")
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Send in a thread of its own, if anything may be sent."""
        if self._policy.hosts or self._policy.loopback:
            self._thread = threading.Thread(target=self._loop, name="webhooks", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Send no more. What cannot be waited for is sent again by another."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            sent = 0
            try:
                sent = self.tick()
                self._outage.worked()
            except UnavailableError as error:
                self._outage.failed(error)
            except Exception:
                # What nobody foresaw of one endpoint keeps nothing from the others.
                logger.exception("webhooks: unexpected error; it is tried again")
            if not sent:
                self._stopping.wait(TICK_SECONDS)

    def tick(self) -> int:
        """Send what is due, one thing to each endpoint; how many there were."""
        with self._database.write() as session:
            due = webhooks.take_due(session, limit=AT_ONCE, now=self._time())
        if len(due) == 1:
            self._send(due[0])
        elif due:
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
                list(pool.map(self._send, due))
        return len(due)

    def _time(self) -> float | None:
        return None if self._now is None else self._now()

    def _send(self, due: Due) -> None:
        body = orjson.dumps(due.payload)
        stamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "parsimony",
            "webhook-id": due.event_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(due.secret, due.event_id, stamp, body),
        }
        try:
            target = target_of(due.url, self._policy)
            addresses = addresses_of(target, self._resolve)
            status = self._post(target, addresses, headers, body)
        except TargetError as error:
            self._settle(due, None, error.message)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            self._settle(due, None, f"{type(error).__name__}: {error}")
        else:
            self._settle(due, status, f"it answered {status}")

    def _settle(self, due: Due, status: int | None, said: str) -> None:
        with self._database.write() as session:
            if status is not None and 200 <= status < 300:
                webhooks.mark_told(session, due)
            elif status == GONE:
                webhooks.mark_gone(session, due)
                logger.warning("webhook %s is disabled: it answered 410", due.webhook_id)
            else:
                webhooks.mark_failed(session, due, said, now=self._time())
                logger.info("webhook %s: %s; it is told again later", due.webhook_id, said)
