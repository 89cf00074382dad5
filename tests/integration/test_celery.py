"""Celery as its users know it: its own commands find the application, and ask its workers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.source import ROOT
from tests.waiting import until
from worker.runtime.doorbell import connect_redis, create_celery
from worker.runtime.redis_server import RedisServer
from worker.settings import ServiceSettings
from worker.storage.database import Database

pytestmark = pytest.mark.slow
CELERY = [sys.executable, "-m", "celery", "-A", "worker.runtime.celery_app"]


@contextmanager
def celery_worker(folder: Path, *, remote_control: bool) -> Iterator[ServiceSettings]:
    """`celery worker` beside a private Redis; the settings of both."""
    settings = ServiceSettings(
        state=folder / "state", device="cpu", celery_remote_control=remote_control
    )
    settings.prepare_state()
    redis = RedisServer(settings)
    redis.start()
    log = folder / "celery.log"
    with (
        log.open("wb") as written,
        subprocess.Popen(
            [*CELERY, "worker", "--loglevel=info"],
            env=environment(settings),
            stdout=written,
            stderr=written,
            start_new_session=True,
        ) as child,
    ):
        try:
            until(lambda: b" ready." in log.read_bytes() or child.poll() is not None)
            assert child.poll() is None, log.read_text()
            yield settings
        finally:
            child.terminate()
            child.wait()
            redis.stop()


def environment(settings: ServiceSettings) -> dict[str, str]:
    return {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT)}


def inspect(settings: ServiceSettings, *what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CELERY, "inspect", "--timeout=2", *what],
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_worker_is_started_and_asked_by_celerys_own_commands(tmp_path: Path) -> None:
    with celery_worker(tmp_path, remote_control=True) as settings:
        database = Database(settings.database_url)
        with database.read():  # the worker has migrated it
            pass
        database.close()
        asked = inspect(settings, "ping")
        assert (asked.returncode, "pong" in asked.stdout) == (0, True), asked.stderr
        app = create_celery(settings)
        (queues,) = app.control.inspect(timeout=5.0, limit=1).active_queues().values()
        assert {queue["name"] for queue in queues} == {"parsimony", "parsimony.cpu"}
        app.close()


def test_nobody_is_answered_unless_it_was_allowed(tmp_path: Path) -> None:
    """Whoever reaches Redis could otherwise stop all workers."""
    with celery_worker(tmp_path, remote_control=False) as settings:
        asked = inspect(settings, "ping")
        assert asked.returncode != 0
        assert "No nodes replied" in asked.stderr + asked.stdout


def test_what_is_no_message_ends_no_worker(tmp_path: Path) -> None:
    junk = [b"junk", b"\x80\x04}.", b"{}", b"[]", b"1", b'{"properties": {}}']
    with celery_worker(tmp_path, remote_control=False) as settings:
        client = connect_redis(settings)
        for queue in ("parsimony", "parsimony.cpu"):
            client.lpush(queue, *junk)
        log = tmp_path / "celery.log"
        until(lambda: log.read_bytes().count(b"is dropped") == 2 * len(junk))
        assert b"Unrecoverable" not in log.read_bytes()
        client.close()
