"""The doorbell, both ends: Celery carries ``{"fleet_id": …}`` from a service to its workers.

A message is a hint and nothing more. It is acknowledged at once, may be lost, doubled or late; the
database says what is to be done. The HTTP service imports this file to ring; what answers, the
supervisor, is imported in the worker's processes alone.
"""

import argparse
import logging
import mmap
import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import redis
from celery import Celery, signals
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from worker.errors import UnavailableError
from worker.logs import about_process, configure_logs
from worker.runtime.devices import kind_of_device
from worker.runtime.lifeline import die_with_parent
from worker.settings import ServiceSettings
from worker.storage import schema, workers
from worker.storage.database import Database

if TYPE_CHECKING:
    from worker.runtime.caretaker import Caretaker
    from worker.runtime.slot import Slot

logger = logging.getLogger(__name__)

QUEUE = "parsimony"
"""For every worker; beside it each listens to the queue of its own device."""
TASK = "parsimony.train"
LONGEST_QUEUE = 1000
"""Messages that may wait unread; more would only repeat them."""
ANSWER_SECONDS = 2.0
"""Redis must answer whoever rings within this; workers wait longer, for messages."""
SENTINEL_SECONDS = 1.0
"""The same of a sentinel, of which there are several, asked one after the other."""
MASTER = "mymaster"
"""The name of the primary that sentinels watch, unless the URL gives ``?master_name=``."""
RECONNECT_SECONDS = 3.0
"""Longest pause before a worker tries again to reach Redis; Celery's own grows to 30 s."""
ATTEMPTS_A_LINE = 20
"""Failed attempts, after the first few, of which one is logged."""


def broker_url(settings: ServiceSettings) -> str:
    """The Redis in use, as Celery's transport reads it."""
    url, _ = _named_master(settings)
    scheme, _, rest = url.partition("://")
    return f"redis+socket://{rest}" if scheme == "unix" else url


def queue_of(device: str | None) -> str:
    """The queue of what needs a device, ``cpu`` or ``gpu``, or none in particular."""
    return QUEUE if device is None else f"{QUEUE}.{device}"


def _named_master(settings: ServiceSettings) -> tuple[str, str]:
    """The URL without what only sentinels need, and the name of the primary that they watch."""
    if not settings.redis.startswith("sentinel://"):
        return settings.redis, MASTER
    url, _, query = settings.redis.partition("?")
    return url, dict(parse_qsl(query)).get("master_name", MASTER)


def connect_redis(settings: ServiceSettings) -> redis.Redis:
    """A client that gives up soon."""
    patience: dict[str, float | Retry] = {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
        # The reconciler asks again by itself, and has other things to do meanwhile.
        "retry": Retry(NoBackoff(), 0),
    }
    url, master = _named_master(settings)
    if not url.startswith("sentinel://"):
        return redis.Redis.from_url(url, **patience)
    parts = [urlsplit(part) for part in url.split(";")]
    once = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        [(part.hostname or "127.0.0.1", part.port or 26_379) for part in parts],
        sentinel_kwargs={**once, "retry": Retry(NoBackoff(), 0)},
    )
    user, password = parts[0].username, parts[0].password
    number = int(parts[-1].path.strip("/") or 0)
    client: redis.Redis = sentinels.master_for(  # type: ignore[no-untyped-call]
        master, username=user, password=password, db=number, **patience
    )
    return client


def create_celery(settings: ServiceSettings, answer_seconds: float = 5.0) -> Celery:
    """The Celery application; nothing is connected yet.

    Redis must answer within ``answer_seconds``, beside what a worker waits for a message.

    It can be looked at and controlled from outside (``celery inspect``, ``celery events``, Flower)
    only where ``celery_remote_control`` allows it: whoever reaches Redis could stop workers.
    """
    app = Celery("parsimony", broker=broker_url(settings), set_as_current=False)
    app.conf.update(
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # Early acknowledgement: the lease in the database does what late ones only pretend to.
        task_acks_late=False,
        task_default_queue=QUEUE,
        task_queues={
            queue: {"exchange": queue, "routing_key": queue}
            for queue in map(queue_of, (None, kind_of_device(settings)))
        },
        task_create_missing_queues=True,
        task_serializer="json",
        accept_content=["json"],
        task_publish_retry=False,
        worker_concurrency=settings.workers,
        worker_pool="prefork",
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_enable_remote_control=settings.celery_remote_control,
        worker_send_task_events=settings.celery_remote_control,
        worker_hijack_root_logger=False,
        # A killed pool process is replaced at once; what it ran is in the database.
        worker_lost_wait=0.5,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": answer_seconds,
            "socket_connect_timeout": ANSWER_SECONDS,
            "master_name": _named_master(settings)[1],
            "sentinel_kwargs": {
                "socket_timeout": SENTINEL_SECONDS,
                "socket_connect_timeout": SENTINEL_SECONDS,
            },
            "socket_keepalive": True,
            "health_check_interval": 25,
            "visibility_timeout": 3600,
        },
    )
    return app


class Doorbell:
    """Rings workers. Used by the reconciler alone, never inside a request."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._app = create_celery(settings, ANSWER_SECONDS)
        # Once, and not again and again for some seconds, as Celery would.
        self._app.conf.broker_transport_options["connect_retries_timeout"] = ANSWER_SECONDS / 2
        self._redis = connect_redis(settings)

    def ring(self, fleet_id: str, device: str | None = None) -> None:
        """Announce a fleet. Raises when Redis cannot be reached; the message may have gone out."""
        queue = queue_of(device)
        self._app.send_task(TASK, kwargs={"fleet_id": fleet_id}, queue=queue, retry=False)

    def is_backed_up(self, device: str | None = None) -> bool:
        """Whether so many messages wait for a device that more would help nobody."""
        return self._unread(device) > LONGEST_QUEUE

    def has_unread(self, device: str | None = None) -> bool:
        """Whether a message waits for a worker with a device: all of them are busy, or none is
        there.
        """
        return self._unread(device) > 0

    def _unread(self, device: str | None) -> int:
        return int(self._redis.llen(queue_of(device)))

    def ping(self) -> None:
        """Ask Redis whether it answers; raises when it does not within seconds."""
        self._redis.ping()

    def close(self) -> None:
        """Give up the connections."""
        self._app.close()
        self._redis.close()


class CeleryWorker:
    """One Celery worker process and, in each of its children, one supervisor.

    A warm shutdown (SIGTERM) drains: running fleets write a checkpoint and are given back. This
    process opens no database while it has children, for it forks them.
    """

    def __init__(self, settings: ServiceSettings, warm_fd: int | None = None) -> None:
        from worker.runtime.caretaker import entry_of

        self._settings = settings
        self._warm_fd = warm_fd
        self._entry = entry_of(settings)
        self._slot: Slot | None = None
        self._caretaker: Caretaker | None = None
        # One byte that this process and its forked children share.
        self._drain = mmap.mmap(-1, 1)
        self.app = create_celery(settings)
        self.app.conf.worker_consumer = _eager_consumer()
        self.app.task(name=TASK, bind=False)(self._train)
        signals.setup_logging.connect(self._on_logging, weak=False)
        signals.worker_process_init.connect(self._on_child_start, weak=False)
        signals.worker_process_shutdown.connect(self._on_child_end, weak=False)
        signals.worker_shutting_down.connect(self._on_shutdown, weak=False)

    def run(self) -> None:
        """Serve until told to stop."""
        level = self._settings.log_level
        name = f"--hostname=parsimony-{os.getpid()}@%h"
        lone = ["--without-gossip", "--without-mingle"]
        if not self._settings.celery_remote_control:
            lone.append("--without-heartbeat")
        try:
            self.app.worker_main(["--quiet", "worker", f"--loglevel={level}", name, *lone])
        finally:
            self._leave()

    def _leave(self) -> None:
        """The children have ended: this worker is no longer there."""
        database = Database(self._settings.database_url)
        try:
            with database.write() as session:
                workers.leave(session, self._entry.id)
        except UnavailableError as error:
            logger.warning("the registry keeps this worker for a while: %s", error.message)
        finally:
            database.close()

    def _train(self, fleet_id: str) -> None:
        if self._slot is None:
            raise RuntimeError("the slot is made when the pool process starts")
        self._slot.work(fleet_id)

    def _on_logging(self, **_: Any) -> None:
        """Celery asks who sets up its loggers, in each of its processes."""
        configure_logs(self._settings)

    def _on_child_start(self, **_: Any) -> None:
        from billiard import current_process

        from worker.runtime.caretaker import Caretaker
        from worker.runtime.slot import Slot
        from worker.runtime.supervisor import Supervisor

        database = Database(self._settings.database_url)
        supervisor = Supervisor(
            self._settings, database, draining=self._is_draining, on_warm=self._report_warm
        )
        about_process(worker=self._entry.id)
        self._slot = Slot(supervisor, self._settings.ring_after_seconds, self._is_draining)
        self._slot.start()
        if current_process().index == 0:
            self._caretaker = Caretaker(self._settings, database, self._entry, self._is_draining)
            self._caretaker.start()

    def _on_child_end(self, **_: Any) -> None:
        if self._slot is not None:
            self._slot.close()
        if self._caretaker is not None:
            self._caretaker.stop()

    def _on_shutdown(self, **_: Any) -> None:
        self._drain[0] = 1

    def _is_draining(self) -> bool:
        return self._drain[0] == 1

    def _report_warm(self) -> None:
        if self._warm_fd is not None:
            try:
                os.write(self._warm_fd, b"w")
            except BrokenPipeError:
                self._warm_fd = None


def _eager_consumer() -> type:
    """Celery's consumer, except that it comes back within seconds once Redis does."""
    # Imported late: whoever only rings does not need them.
    from celery.worker.consumer import Consumer
    from celery.worker.state import maybe_shutdown

    class EagerConsumer(Consumer):  # type: ignore[misc]  # Celery publishes no types
        """Waits for Redis with short pauses, and replaces pool processes that die meanwhile."""

        def ensure_connected(self, conn: Any) -> Any:
            _drop_what_is_no_message(conn.get_transport_cls())
            failed = 0

            def say(error: BaseException, pause: float) -> None:
                nonlocal failed
                failed += 1
                if failed <= 3 or failed % ATTEMPTS_A_LINE == 0:
                    logger.warning(
                        "Redis cannot be used (%s), attempt %d; idle supervisors look for fleets "
                        "by themselves meanwhile",
                        *(error, failed),
                    )

            def look_about() -> None:
                maybe_shutdown()
                self.pool.maintain_pool()

            connected = conn.ensure_connection(
                say, None, 1.0, 1.0, RECONNECT_SECONDS, callback=look_about
            )
            self.first_connection_attempt = False
            if failed:
                logger.info("Redis can be used again")
            return connected

    return EagerConsumer


def _drop_what_is_no_message(transport: Any) -> None:
    """Have a transport of Redis drop what it cannot read, which would end the worker, and with it
    what it trains. It is taken out of the queue before it is read, and the database knows what is
    to be done.
    """
    channel: Any = transport.Channel
    if getattr(channel, "drops_junk", False):
        return

    class DroppingChannel(channel):  # type: ignore[misc]  # kombu publishes no types
        drops_junk = True

        def _brpop_read(self, **options: Any) -> Any:
            try:
                return super()._brpop_read(**options)
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                logger.warning(
                    "something in the queue of Redis is no message of ours, and is dropped (%s)",
                    type(error).__name__,
                )
                return True

    transport.Channel = DroppingChannel


def worker_app() -> Celery:
    """The application by the environment's settings, for Celery's own command line."""
    settings = ServiceSettings()

    def prepare(**_: Any) -> None:
        settings.prepare_state()
        _check_database(settings)

    # Sent when a worker starts, and not where the application is only looked at.
    signals.celeryd_init.connect(prepare, weak=False)
    return CeleryWorker(settings).app


def main(arguments: list[str] | None = None) -> None:
    """Run a worker: ``python -m worker.runtime``."""
    parser = argparse.ArgumentParser(prog="python -m worker.runtime", description=main.__doc__)
    parser.add_argument("--parent", type=int, help="end when this process, the parent, ends")
    parser.add_argument("--warm-fd", type=int, help="write a byte here when a standby is warm")
    options = parser.parse_args(arguments)
    if options.parent is not None:
        die_with_parent(options.parent)
    settings = ServiceSettings()
    configure_logs(settings)
    settings.prepare_state()
    _check_database(settings)
    CeleryWorker(settings, options.warm_fd).run()


def _check_database(settings: ServiceSettings) -> None:
    database = Database(settings.database_url)
    try:
        schema.make_ready(database, patience=settings.migration_seconds)
    except UnavailableError as error:
        sys.exit(f"parsimony: {error.message}")
    finally:
        database.close()
