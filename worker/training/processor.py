"""What a training process asks of its machine, before the first step."""

import ctypes
import sys
from collections.abc import Callable

import pyarrow as pa
import torch

from worker.networks import kernels

SMALL_STEP = 10_000_000
"""Multiplications of one forward pass below which a second thread costs more than it brings:
measured on two cores, 2-50-50-1 to 2-1024-1024-1 networks, 1 to 64 trials, batches of 32 to 256."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_KEEP = 1 << 30
_LARGE, _MOST_LARGE = 1 << 20, 1 << 16
"""Blocks that are the system's as soon as they are freed, and how many there may be; glibc's."""


def tune_processor(threads: int) -> None:
    """Set the number of threads; flush tiny numbers to zero; keep freed memory.

    Moments of weights that no longer move decay into subnormal numbers, which cost a processor ten
    times the price of others. And glibc hands large buffers back to the system as they are freed,
    to fetch and clear them again in the next step: that doubled the time of steps.
    """
    torch.set_num_threads(threads)
    kernels()  # looked for before a fleet waits
    torch.set_flush_denormal(True)
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)  # by size it would leave out buffers above 32 MiB
        mallopt(_M_TRIM_THRESHOLD, _KEEP)


def give_memory_back(*, for_good: bool = False) -> None:
    """Give the system the memory that was freed and kept, all of it.

    For the time between reading and training: a table, its text and what encoding took for a while
    are more than what is trained on, and steps need none of it again. And ``for_good`` after
    training: what measures the final weights takes many blocks once, and glibc seldom finds an
    aligned one among those that were kept, so that they would add up to twice the peak.
    """
    mallopt = _of_glibc("mallopt")
    if for_good and mallopt is not None:
        mallopt(_M_MMAP_MAX, _MOST_LARGE)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
    pa.default_memory_pool().release_unused()  # it has an allocator of its own
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc's; none elsewhere: other allocators have no such habits."""
    if sys.platform != "linux":
        return None
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return function


def compute_exactly() -> None:
    """The same bits in every run, and float32 as it is called, on a GPU too. Touches no GPU.

    cuDNN would round the factors of convolutions to ten bits (TF32), which ``precision`` does not
    say. And torch would fill all new memory, lest somebody read it before it is written, for a
    twelfth of a small step's time on a GPU.
    """
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.allow_tf32 = False


def threads_for(*, trials: int, batch_size: int, parameters: int, limit: int) -> int:
    """One for small steps, else ``limit``.

    It depends on the job and the settings alone, never on the load of the machine, because final
    weights are the same bits only for the same number of threads.
    """
    return 1 if trials * batch_size * parameters < SMALL_STEP else limit
