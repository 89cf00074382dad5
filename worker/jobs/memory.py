"""Memory: what a fleet may take of it, and how it shows that there is none left.

Imports torch: for trainer processes and the HTTP service.
"""

import errno
import os
from functools import lru_cache

import torch

from worker.search import FLEET_MEMORY, FLEET_TRIALS, GPU_FLEET_TRIALS, FleetLimits
from worker.settings import ServiceSettings

SHARE = 0.5
"""Of a GPU's memory, for the fleets that train on it at the same time."""
MACHINE_SHARE = 0.25
"""Of the machine's memory, on the CPU."""
SIGNS = ("out of memory", "can't allocate memory", "alloc_failed", "bad_alloc")
"""What torch and the libraries below it say, in lower case."""


def fleet_limits(settings: ServiceSettings) -> FleetLimits:
    """How large the fleets of a search may be on this machine."""
    usual = GPU_FLEET_TRIALS if _has_gpu(settings) else FLEET_TRIALS
    return FleetLimits(fleet_memory(settings), settings.fleet_trials or usual)


def _has_gpu(settings: ServiceSettings) -> bool:
    return settings.device != "cpu" and torch.cuda.is_available()


def fleet_memory(settings: ServiceSettings) -> int:
    """Bytes that the tensors of one fleet may take.

    As set; else on a GPU half of its memory, and on the CPU a gibibyte but no more than a quarter
    of the machine's, divided by the fleets that train at the same time.
    """
    if settings.fleet_memory is not None:
        return settings.fleet_memory
    if _has_gpu(settings):
        return int(SHARE * _gpu_memory(settings.device) / settings.workers)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(FLEET_MEMORY, int(MACHINE_SHARE * machine / settings.workers))


@lru_cache
def _gpu_memory(device: str) -> int:
    gpu = torch.device("cuda:0" if device in ("auto", "cuda") else device)
    total: int = torch.cuda.get_device_properties(gpu).total_memory
    return total


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, the processor's or a GPU's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in SIGNS)
