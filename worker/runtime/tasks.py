"""The Celery worker: answers the doorbell by handing the fleet's id to its supervisor."""

import argparse
import logging
import mmap
import os
import sys
from typing import Any

from celery import signals

from worker.runtime.celery_app import TASK, create_celery
from worker.runtime.lifeline import die_with_parent
from worker.runtime.supervisor import Supervisor
from worker.settings import ServiceSettings
from worker.storage.database import Database

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"


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
        self.app.worker_main(
            [
                *("worker", f"--loglevel={level}", f"--hostname=parsimony-{os.getpid()}@%h"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
        )

    def _train(self, fleet_id: str) -> None:
        if self._supervisor is None:
            raise RuntimeError("the supervisor is made when the pool process starts")
        self._supervisor.work(fleet_id)

    def _on_child_start(self, **_: Any) -> None:
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
    database = Database(settings.database_url)
    database.migrate()
    database.close()
    Worker(settings, options.warm_fd).run()
