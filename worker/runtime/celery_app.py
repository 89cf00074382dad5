"""The doorbell: Celery carries ``{"fleet_id": …}`` from whoever accepts work to whoever does it.

A message is a hint and nothing more. It is acknowledged at once, may be lost, doubled or late; the
database says what is to be done.
"""

import redis
from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.settings import ServiceSettings

QUEUE = "parsimony"
TASK = "parsimony.train"
LONGEST_QUEUE = 1000
"""Messages that may wait unread; more would only repeat them."""


def broker_url(settings: ServiceSettings) -> str:
    """The Redis in use, as Celery's transport reads it."""
    scheme, _, rest = settings.redis.partition("://")
    return f"redis+socket://{rest}" if scheme == "unix" else settings.redis


def create_celery(settings: ServiceSettings) -> Celery:
    """The Celery application; nothing is connected yet."""
    app = Celery("parsimony", broker=broker_url(settings), set_as_current=False)
    app.conf.update(
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # Early acknowledgement: the lease in the database does what late ones only pretend to.
        task_acks_late=False,
        task_default_queue=QUEUE,
        task_create_missing_queues=True,
        task_serializer="json",
        accept_content=["json"],
        task_publish_retry=False,
        worker_concurrency=settings.workers,
        worker_pool="prefork",
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
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

    def ring(self, fleet_id: str) -> None:
        """Announce a fleet. Raises when Redis cannot be reached; the message may have gone out."""
        self._app.send_task(TASK, kwargs={"fleet_id": fleet_id}, queue=QUEUE, retry=False)

    def is_backed_up(self) -> bool:
        """Whether so many messages wait that more would help nobody."""
        return self._redis is not None and int(self._redis.llen(QUEUE)) > LONGEST_QUEUE

    def close(self) -> None:
        """Give up the connections."""
        self._app.close()
        if self._redis is not None:
            self._redis.close()
