"""What a training process asks of its processor and its memory, before the first step."""

import ctypes
import sys

import torch

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
