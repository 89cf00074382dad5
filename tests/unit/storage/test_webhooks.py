"""Who is told of the ends of jobs: written with the end, sent in order, until it was answered."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import orjson
import pytest
from sqlalchemy import func, select
from standardwebhooks import Webhook as Verifier

from tests.rows import RESULT, accept, claimed, error, good
from worker.errors import ConflictError, NotFoundError
from worker.runtime.webhook_sender import WebhookSender, signature
from worker.settings import ServiceSettings
from worker.storage import fleets, jobs, webhooks
from worker.storage.database import Database
from worker.storage.webhooks import WebhookDelivery
from worker.webhook_target import Address, WebhookTarget

URL = "https://hooks.example.com/parsimony"


class Receiver:
    """Answers as it is told, and keeps what it accepted."""

    def __init__(self) -> None:
        self.answers: Callable[[], int] = lambda: 204
        self.attempts: list[str] = []
        self.accepted: list[tuple[Mapping[str, str], bytes]] = []

    def post(
        self,
        target: WebhookTarget,
        addresses: Sequence[Address],
        headers: dict[str, str],
        body: bytes,
    ) -> int:
        assert (target.host, [str(one) for one in addresses]) == ("hooks.example.com", ["8.8.8.8"])
        self.attempts.append(headers["webhook-id"])
        status = self.answers()
        if 200 <= status < 300:
            self.accepted.append((headers, body))
        return status

    @property
    def told(self) -> list[str]:
        """The jobs, in order."""
        return [orjson.loads(body)["data"]["id"] for _, body in self.accepted]


class Clock:
    """Begins where the database's is, which says when a job ended."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(database: Database, tmp_path: Path, receiver: Receiver, clock: Clock) -> WebhookSender:
    settings = ServiceSettings(state=tmp_path, webhooks="hooks.example.com")
    return WebhookSender(
        settings,
        database,
        resolve=lambda host, port: ["8.8.8.8"],
        post=receiver.post,
        now=clock,
    )


def endpoint(database: Database, tenant: str = "a", **more: Sequence[str]) -> tuple[str, str]:
    """A webhook's id and secret."""
    with database.write() as session:
        given = {"events": webhooks.EVENTS, **more}
        row = webhooks.add_webhook(session, url=URL, tenant=tenant, **given)
        return row.id, row.secret


def ended(database: Database, tenant: str = "a", how: str = "succeeded") -> str:
    """A job that has come to an end."""
    with database.write() as session:
        job, (fleet,) = accept(session, tenant=tenant)
        if how == "cancelled":
            jobs.request_cancel(session, job.id, tenant=tenant)
            return job.id
        lease = claimed(session, fleet.id)
        if how == "failed":
            fleets.fail(session, lease, error())
        else:
            fleets.finish(session, lease, [good()], RESULT)
        return job.id


def waiting(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(WebhookDelivery)) or 0


def drain(sender: WebhookSender) -> None:
    while sender.tick():
        continue


def test_each_end_is_told_once_signed_as_the_library_verifies(
    database: Database, sender: WebhookSender, receiver: Receiver
) -> None:
    _, secret = endpoint(database)
    ends = {how: ended(database, how=how) for how in ("succeeded", "failed", "cancelled")}
    ended(database, tenant="other")
    drain(sender)
    assert receiver.told == [*ends.values()]
    verifier = Verifier(secret)
    told = [verifier.verify(body, dict(headers)) for headers, body in receiver.accepted]
    assert [one["type"] for one in told] == [f"job.{how}" for how in ends]
    assert told[1]["data"]["error"] == {"code": "diverged", "message": "diverged"}
    assert waiting(database) == 0
    assert len(set(receiver.attempts)) == 3


def test_what_is_signed_is_what_the_specification_says() -> None:
    """Its own example."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_it_is_there_if_and_only_if_the_job_has_ended(database: Database) -> None:
    endpoint(database)

    with database.write() as session:
        job, (fleet,) = accept(session, tenant="a")
        fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)
        assert job.state == "succeeded"
        session.rollback()
    assert waiting(database) == 0
    ended(database)
    assert waiting(database) == 1


def test_a_receiver_that_was_down_is_told_everything_in_order(
    database: Database, sender: WebhookSender, receiver: Receiver, clock: Clock
) -> None:
    webhook_id, _ = endpoint(database)
    receiver.answers = lambda: 503
    made = [ended(database) for _ in range(5)]
    for _ in range(6):  # a minute, by ever longer pauses
        assert sender.tick() == 1
        assert sender.tick() == 0  # not before its pause
        clock.now += 33.0
    assert len(set(receiver.attempts)) == 1  # the oldest, under one id
    with database.read() as session:
        row = webhooks.find_webhook(session, webhook_id, tenant="a")
        assert (row.failures, row.last_error) == (6, "it answered 503")
    receiver.answers = lambda: 200
    clock.now += 60.0
    drain(sender)
    assert receiver.told == made
    with database.read() as session:
        row = webhooks.find_webhook(session, webhook_id, tenant="a")
        assert (row.failures, row.last_error, row.given_up) == (0, None, 0)


def test_what_cannot_be_told_for_a_day_is_told_no_more(
    database: Database, sender: WebhookSender, receiver: Receiver, clock: Clock
) -> None:
    webhook_id, _ = endpoint(database)
    receiver.answers = lambda: 500
    ended(database)
    with database.write() as session:
        session.scalars(select(WebhookDelivery)).one().created = clock.now - 86_000.0
    assert sender.tick() == 1
    assert waiting(database) == 1
    clock.now += 500.0
    assert sender.tick() == 1
    assert waiting(database) == 0
    with database.read() as session:
        assert webhooks.find_webhook(session, webhook_id, tenant="a").given_up == 1


def test_who_says_that_it_is_gone_is_told_nothing_more(
    database: Database, sender: WebhookSender, receiver: Receiver, clock: Clock
) -> None:
    webhook_id, _ = endpoint(database)
    receiver.answers = lambda: 410
    ended(database)
    ended(database)
    assert sender.tick() == 1
    clock.now += 1e5
    ended(database)
    assert (sender.tick(), waiting(database)) == (0, 0)
    with database.read() as session:
        assert webhooks.find_webhook(session, webhook_id, tenant="a").disabled_at is not None


def test_two_senders_do_not_send_the_same(database: Database, clock: Clock) -> None:
    endpoint(database)
    first, second = ended(database), ended(database)
    with database.write() as session:
        (due,) = webhooks.take_due(session, limit=4, now=clock())
    with database.write() as session:
        assert webhooks.take_due(session, limit=4, now=clock()) == []
    clock.now += webhooks.HOLD_SECONDS  # the first sender is gone
    with database.write() as session:
        (again,) = webhooks.take_due(session, limit=4, now=clock())
        assert again.event_id == due.event_id
        webhooks.mark_failed(session, due, "late", now=clock())  # it was not gone, and is not heard
        webhooks.mark_told(session, again)
        (following,) = webhooks.take_due(session, limit=4, now=clock())
    assert due.payload["data"]["id"] == first
    assert following.payload["data"]["id"] == second


def test_a_name_that_leads_elsewhere_is_not_connected_to(
    database: Database, tmp_path: Path, receiver: Receiver, clock: Clock
) -> None:
    webhook_id, _ = endpoint(database)
    ended(database)
    rebound = WebhookSender(
        ServiceSettings(state=tmp_path, webhooks="*"),
        database,
        resolve=lambda host, port: ["8.8.8.8", "169.254.169.254"],
        post=receiver.post,
        now=clock,
    )
    assert rebound.tick() == 1
    assert receiver.attempts == []
    with database.read() as session:
        row = webhooks.find_webhook(session, webhook_id, tenant="a")
        assert row.last_error == "The address 169.254.169.254 is not one of the public network."


def test_events_that_were_not_wished_are_not_told(
    database: Database, sender: WebhookSender, receiver: Receiver
) -> None:
    endpoint(database, events=["job.failed"])
    ended(database)
    failed = ended(database, how="failed")
    drain(sender)
    assert receiver.told == [failed]


def test_endpoints_are_their_tenants_and_not_too_many(database: Database) -> None:
    webhook_id, _ = endpoint(database)
    ended(database)
    for act in (webhooks.find_webhook, webhooks.remove_webhook):
        with database.write() as session, pytest.raises(NotFoundError):
            act(session, webhook_id, tenant="b")
    with database.write() as session:
        assert [row.id for row in webhooks.all_webhooks(session, tenant="a")] == [webhook_id]
        assert webhooks.all_webhooks(session, tenant="b") == []
        webhooks.remove_webhook(session, webhook_id, tenant="a")
    assert waiting(database) == 0
    for _ in range(webhooks.MOST_ENDPOINTS):
        endpoint(database)
    with pytest.raises(ConflictError, match="no more than 20"):
        endpoint(database)


def test_pauses_grow_and_are_left_to_chance() -> None:
    assert [webhooks.webhook_pause(n, 1.0) for n in (0, 1, 5, 12, 99)] == [1, 2, 32, 3600, 3600]
    assert webhooks.webhook_pause(5, 0.0) == 16.0
