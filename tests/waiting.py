"""Waiting for what other threads and processes bring about."""

import threading
from collections.abc import Callable

LIMIT_SECONDS = 60.0
LOOK_SECONDS = 0.005


def until(reached: Callable[[], object]) -> None:
    """Wait until it is so, and fail where that takes too long."""
    never = threading.Event()
    for _ in range(int(LIMIT_SECONDS / LOOK_SECONDS)):
        if reached():
            return
        never.wait(LOOK_SECONDS)
    raise AssertionError(f"not reached within {LIMIT_SECONDS} s")
