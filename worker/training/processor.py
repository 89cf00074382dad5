"""What a training process asks of its processor and its memory, before the first step."""

import ctypes
import sys

import torch

SMALL_STEP = 10_000_000
"""Multiplications of one forward pass below which a second thread costs more than it brings:
measured on two cores, 2-50-50-1 to 2-1024-1024-1 networks, 1 to 64 trials, batches of 32 to 256."""
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_KEEP = 1 << 30


def tune_processor(threads: int) -> None:
    """Set the number of threads; flush tiny numbers to zero; keep freed memory.

    Moments of weights that no longer move decay into subnormal numbers, which cost a processor ten
    times the price of others. And glibc hands large buffers back to the system as they are freed,
    to fetch and clear them again in the next step: that doubled the time of steps.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # glibc; other allocators have no such habit
            mallopt(_M_MMAP_MAX, 0)  # by size it would leave out buffers above 32 MiB
            mallopt(_M_TRIM_THRESHOLD, _KEEP)


def threads_for(*, trials: int, batch_size: int, parameters: int, limit: int) -> int:
    """One for small steps, else ``limit``.

    It depends on the job and the settings alone, never on the load of the machine, because final
    weights are the same bits only for the same number of threads.
    """
    return 1 if trials * batch_size * parameters < SMALL_STEP else limit
