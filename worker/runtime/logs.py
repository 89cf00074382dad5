"""Log files that do not grow without end."""

import fcntl
import logging
import os
import shutil
from pathlib import Path

from worker.settings import ServiceSettings

logger = logging.getLogger(__name__)

KEPT = 2
"""Earlier files that are kept: ``worker.log.1``, the newer one, and ``worker.log.2``."""
LOGS = ("worker.log", "redis.log")
"""What is written in the state folder by processes of ``parsimony up``."""


def rotate_logs(settings: ServiceSettings) -> None:
    """Set aside the logs in the state folder that have grown too large."""
    for name in LOGS:
        try:
            rotate(settings.state / name, settings.log_bytes)
        except OSError as error:
            logger.warning("%s is not set aside: %s", name, error)


def rotate(file: Path, most: int, *, kept: int = KEPT) -> bool:
    """Set a log aside if it has more than ``most`` bytes; whether it was.

    Its writer goes on with the same open file, which it must append to: so the file is copied, and
    then emptied. What is written between the two is lost, a few lines at most. Of several that do
    this at a time, one does it.
    """
    if not file.exists() or file.stat().st_size <= most:
        return False
    with file.open("r+b") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if os.fstat(log.fileno()).st_size <= most:
            return False
        for number in range(kept, 1, -1):
            newer = _earlier(file, number - 1)
            if newer.exists():
                newer.replace(_earlier(file, number))
        with _earlier(file, 1).open("wb") as aside:
            shutil.copyfileobj(log, aside)
        log.truncate(0)
    return True


def _earlier(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.{number}")
