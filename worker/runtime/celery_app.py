"""For Celery's own commands: ``celery -A worker.runtime.celery_app worker``, or ``inspect``.

The application is made from the environment's settings when it is first asked for, and not at
import.
"""

from functools import cache
from typing import Any

from worker.runtime import doorbell


@cache
def _app() -> Any:
    return doorbell.worker_app()


def __getattr__(name: str) -> Any:
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
