"""Memory: what a fleet may take of it, and how it shows that there is none left.

Imports torch: for trainer processes and the HTTP service.
"""

import errno
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import torch

from worker.search import FLEET_MEMORY, FLEET_TRIALS, GPU_FLEET_TRIALS, FleetLimits
from worker.settings import ServiceSettings

SHARE = 0.5
"""Of a GPU's memory, for the fleets that train on it at the same time."""
MACHINE_SHARE = 0.25
"""Of the machine's memory, on the CPU."""
JOB_SHARE = 0.75
"""Of the memory of the machine or GPU, for the fleets of the jobs that are accepted."""
CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
SIGNS = ("out of memory", "can't allocate memory", "alloc_failed", "bad_alloc")
"""What torch and the libraries below it say, in lower case."""


def fleet_limits(settings: ServiceSettings) -> FleetLimits:
    """How large the fleets of a search may be on this machine."""
    usual = GPU_FLEET_TRIALS if has_gpu(settings) else FLEET_TRIALS
    return FleetLimits(fleet_memory(settings), settings.fleet_trials or usual)


def job_memory(settings: ServiceSettings) -> int:
    """Bytes that one fleet of an accepted job may take at the most: as set, or by the machine."""
    if settings.max_job_bytes is not None:
        return settings.max_job_bytes
    memory = _gpu_memory(settings.device) if has_gpu(settings) else _machine_memory()
    return int(JOB_SHARE * memory / settings.workers)


def has_gpu(settings: ServiceSettings) -> bool:
    """Whether fleets train on a GPU."""
    return settings.device != "cpu" and torch.cuda.is_available()


def fleet_memory(settings: ServiceSettings) -> int:
    """Bytes that the tensors of one fleet may take.

    As set; else on a GPU half of its memory, and on the CPU a gibibyte but no more than a quarter
    of the machine's, divided by the fleets that train at the same time.
    """
    if settings.fleet_memory is not None:
        return settings.fleet_memory
    if has_gpu(settings):
        return int(SHARE * _gpu_memory(settings.device) / settings.workers)
    return min(FLEET_MEMORY, int(MACHINE_SHARE * _machine_memory() / settings.workers))


@lru_cache
def _machine_memory() -> int:
    """The machine's, or less where a control group has a limit."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            machine = min(machine, int(limit.read_text()))  # "max" where there is none
    return machine


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
