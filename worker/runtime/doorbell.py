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

import redis
from celery import Celery, signals
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.errors import UnavailableError
from worker.runtime.devices import kind_of_device
from worker.runtime.lifeline import die_with_parent
from worker.settings import ServiceSettings
from worker.storage import schema
from worker.storage.database import Database

if TYPE_CHECKING:
    from worker.runtime.supervisor import Supervisor

QUEUE = "parsimony"
"""For every worker; beside it each listens to the queue of its own device."""
TASK = "parsimony.train"
LONGEST_QUEUE = 1000
"""Messages that may wait unread; more would only repeat them."""
LOG_FORMAT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"


def broker_url(settings: ServiceSettings) -> str:
    """The Redis in use, as Celery's transport reads it."""
    scheme, _, rest = settings.redis.partition("://")
    return f"redis+socket://{rest}" if scheme == "unix" else settings.redis


def queue_of(device: str | None) -> str:
    """The queue of what needs a device, ``cpu`` or ``gpu``, or none in particular."""
    return QUEUE if device is None else f"{QUEUE}.{device}"


def create_celery(settings: ServiceSettings) -> Celery:
    """The Celery application; nothing is connected yet.

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
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "visibility_timeout": 3600,
        },
    )
    return app


class Doorbell:
    """Rings workers. Used by the reconciler alone, never inside a request."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._app = create_celery(settings)
        self._sentinel = settings.redis.startswith("sentinel://")
        self._redis = (
            None
            if self._sentinel
            else redis.Redis.from_url(
                settings.redis,
                socket_timeout=2,
                socket_connect_timeout=2,
                # The reconciler asks again by itself, and has other things to do meanwhile.
                retry=Retry(NoBackoff(), 0),
            )
        )

    def ring(self, fleet_id: str, device: str | None = None) -> None:
        """Announce a fleet. Raises when Redis cannot be reached; the message may have gone out."""
        queue = queue_of(device)
        self._app.send_task(TASK, kwargs={"fleet_id": fleet_id}, queue=queue, retry=False)

    def is_backed_up(self, device: str | None = None) -> bool:
        """Whether so many messages wait for a device that more would help nobody."""
        waiting = 0 if self._redis is None else int(self._redis.llen(queue_of(device)))
        return waiting > LONGEST_QUEUE

    def close(self) -> None:
        """Give up the connections."""
        self._app.close()
        if self._redis is not None:
            self._redis.close()


class Worker:
    """One Celery worker process and, in each of its children, one supervisor.

    A warm shutdown (SIGTERM) drains: running fleets write a checkpoint and are given back.
    """

    def __init__(self, settings: ServiceSettings, warm_fd: int | None = None) -> None:
        self._settings = settings
        self._warm_fd = warm_fd
        self._supervisor: Supervisor | None = None
        # One byte that this process and its forked children share.
        self._drain = mmap.mmap(-1, 1)
        self.app = create_celery(settings)
        self.app.task(name=TASK, bind=False)(self._train)
        signals.worker_process_init.connect(self._on_child_start, weak=False)
        signals.worker_process_shutdown.connect(self._on_child_end, weak=False)
        signals.worker_shutting_down.connect(self._on_shutdown, weak=False)

    def run(self) -> None:
        """Serve until told to stop."""
        level = self._settings.log_level
        arguments = ["worker", f"--loglevel={level}", f"--hostname=parsimony-{os.getpid()}@%h"]
        arguments += ["--without-gossip", "--without-mingle"]
        if not self._settings.celery_remote_control:
            arguments.append("--without-heartbeat")
        self.app.worker_main(arguments)

    def _train(self, fleet_id: str) -> None:
        if self._supervisor is None:
            raise RuntimeError("the supervisor is made when the pool process starts")
        self._supervisor.work(fleet_id)

    def _on_child_start(self, **_: Any) -> None:
        from worker.runtime.supervisor import Supervisor

        database = Database(self._settings.database_url)
        self._supervisor = Supervisor(
            self._settings, database, draining=self._is_draining, on_warm=self._report_warm
        )
        self._supervisor.warm_up()

    def _on_child_end(self, **_: Any) -> None:
        if self._supervisor is not None:
            self._supervisor.close()

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


def worker_app() -> Celery:
    """The application by the environment's settings, for Celery's own command line."""
    settings = ServiceSettings()

    def prepare(**_: Any) -> None:
        settings.prepare_state()
        _check_database(settings)

    # Sent when a worker starts, and not where the application is only looked at.
    signals.celeryd_init.connect(prepare, weak=False)
    return Worker(settings).app


def main(arguments: list[str] | None = None) -> None:
    """Run a worker: ``python -m worker.runtime``."""
    parser = argparse.ArgumentParser(prog="python -m worker.runtime", description=main.__doc__)
    parser.add_argument("--parent", type=int, help="end when this process, the parent, ends")
    parser.add_argument("--warm-fd", type=int, help="write a byte here when a standby is warm")
    options = parser.parse_args(arguments)
    if options.parent is not None:
        die_with_parent(options.parent)
    settings = ServiceSettings()
    logging.basicConfig(stream=sys.stderr, level=settings.log_level.upper(), format=LOG_FORMAT)
    settings.prepare_state()
    _check_database(settings)
    Worker(settings, options.warm_fd).run()


def _check_database(settings: ServiceSettings) -> None:
    database = Database(settings.database_url)
    try:
        schema.make_ready(database, patience=settings.migration_seconds)
    except UnavailableError as error:
        sys.exit(f"parsimony: {error.message}")
    finally:
        database.close()
