"""Which device a worker trains on, said without torch: the supervisor and the parent ask."""

import os
from pathlib import Path

from worker.settings import ServiceSettings

HIDDEN = ("", "-1")
"""What hides all GPUs, as the value of ``CUDA_VISIBLE_DEVICES``."""


def device_of(settings: ServiceSettings) -> str:
    """``cpu``, ``cuda`` or ``cuda:1``: as set, or by whether there is a GPU to be seen."""
    if settings.device != "auto":
        return settings.device
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in HIDDEN
    return "cuda" if not hidden and any(Path("/dev").glob("nvidia[0-9]*")) else "cpu"


def kind_of_device(settings: ServiceSettings) -> str:
    """``cpu`` or ``gpu``: what a job may wish for."""
    return "cpu" if device_of(settings) == "cpu" else "gpu"
