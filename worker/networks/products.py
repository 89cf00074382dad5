"""Matrix products of a step and of measuring, by the library whose kernels suit the processor.

torch multiplies float32 matrices by MKL, which leaves half of an AMD processor's AVX-512 unused:
85 to 110 GFLOP/s a core, where the OpenBLAS that comes with NumPy has 160 to 240. So on such a
processor NumPy multiplies, within ``quick()``: steps and measuring. What serves models never enters
it.

A trial has the same bits alone, in any fleet and at any place in memory (I9): each trial's product
is a call of its own, on one thread, and what is chosen follows from a trial's shape alone. OpenBLAS
has kernels for small matrices that round otherwise than those for others. A product of more rows is
cut where only that keeps it small, so that rows that come by multiples of ``BLOCK`` have the same
bits however many come together. Several threads share the trials.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController
from torch import Tensor

LEAST = 1 << 18
"""Multiplications of one trial below which torch's call costs less: of 64 by 64 by 64."""
BLOCK = 32
"""Rows; what measures rows hands them over by multiples of it."""
SMALL = 1_000_000
"""Multiplications up to which OpenBLAS takes a kernel for small matrices."""
TURNED = 4_096
"""Numbers of a transposed factor up to which a copy that is not transposed costs less than the
kernels that read it as it lies."""
SHARED = 50_000_000
"""Multiplications above which a second thread is worth its start, some 50 µs."""
_KERNELS = {"SkylakeX"}
"""OpenBLAS's name of its kernels for AVX-512; the others are no faster than MKL, or not tried."""
_OLDEST = (0, 3, 31)
"""Older releases of OpenBLAS were not tried; some compute wrong results on newer processors."""

Matrices = NDArray[np.float32]

_NONE, _STEP, _MEASURING = range(3)
_SCOPE: ContextVar[int] = ContextVar("quick products", default=_NONE)


class quick:  # noqa: N801 - used like a function, as contextlib's are; this one costs less
    """Within it, products of this thread are those of the faster library, where there is one.

    ``measuring`` says that how many rows come together is no trial's own, but the fleet's.
    """

    def __init__(self, *, measuring: bool = False) -> None:
        self._scope = _MEASURING if measuring else _STEP

    def __enter__(self) -> None:
        self._token = _SCOPE.set(_NONE if kernels() is None else self._scope)
        self._errors = np.errstate(all="ignore")  # torch has no word for overflows either
        self._errors.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._errors.__exit__(kind, error, traceback)
        _SCOPE.reset(self._token)


@lru_cache
def kernels() -> str | None:
    """The name and release of the library that is faster here than torch's; none where none is.

    Its own threads are ended: what they compute is rounded by their number, and their waiting for
    each other takes a hundred times the work when another process needs a core.
    """
    if sys.platform != "linux" or "AuthenticAMD" not in _processor():
        return None
    for library in ThreadpoolController().select(internal_api="openblas").lib_controllers:
        release = tuple(int(part) for part in (library.version or "0").split(".")[:3])
        if (
            Path(library.filepath).parent.name == "numpy.libs"  # SciPy brings another one
            and library.architecture in _KERNELS
            and release >= _OLDEST
        ):
            library.set_num_threads(1)
            return f"OpenBLAS {library.version} {library.architecture}"
    return None


def is_quick(a: Tensor, b: Tensor) -> bool:
    """Whether ``A B``, ``[K, n, m]`` and ``[K, m, p]``, is for ``multiply`` to compute.

    It is the same in any company, and of rows that are measured in any number: of these, by blocks.
    Vectors are left to torch, for they have other kernels; and small products by a transposed
    matrix, of which OpenBLAS makes no more than MKL.
    """
    _, n, m = a.shape
    p = b.shape[2]
    scope = _SCOPE.get()
    if scope == _NONE or min(n, m, p) == 1:
        return False
    if scope == _MEASURING:
        fits = BLOCK * m * p >= LEAST and not _is_turned(a) and not _is_turned(b)
    else:
        work = n * m * p
        fits = work >= LEAST and (work > SMALL or m * p <= TURNED or not _is_turned(b))
    return fits and a.is_cpu and a.dtype == b.dtype == torch.float32


def multiply(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """``A B`` ``[K, n, p]`` of ``[K, n, m]`` and ``[K, m, p]``; it has no gradients."""
    (trials, n, m), p = a.shape, b.shape[2]
    turned = _is_turned(b)
    if turned and m * p <= TURNED:
        b, turned = b.contiguous(), False
    left, right = _read(a), _read(b)
    threads = torch.get_num_threads() if trials * n * m * p > SHARED and trials > 1 else 1
    cut = 0 if turned else SMALL // (m * p) // BLOCK * BLOCK
    if threads == 1 and not 0 < cut < n:
        if out is None:
            return torch.from_numpy(np.matmul(left, right))
        np.matmul(left, right, out=out.numpy())
        return out
    result = torch.empty(trials, n, p) if out is None else out
    values = result.numpy()
    bounds = [trials * part // threads for part in range(threads + 1)]
    shares = [(left[i:j], right[i:j], values[i:j]) for i, j in pairwise(bounds)]
    others = [_pool(threads).submit(_by_cuts, *share, cut) for share in shares[1:]]
    _by_cuts(*shares[0], cut)
    for other in others:
        other.result()
    return result


def _is_turned(factor: Tensor) -> bool:
    """Whether columns lie one behind another, not rows."""
    _, row, column = factor.stride()
    return row < column


def _by_cuts(left: Matrices, right: Matrices, out: Matrices, cut: int) -> None:
    """The product, of so many rows at a time, if that is not 0."""
    rows = left.shape[1]
    whole = rows // cut * cut if 0 < cut < rows else 0
    if whole:
        pieces, results = (
            some[:, :whole].reshape(len(some), -1, cut, some.shape[2]) for some in (left, out)
        )
        np.matmul(pieces, right[:, None], out=results)
    if whole < rows:
        np.matmul(left[:, whole:], right, out=out[:, whole:])


def _read(factor: Tensor) -> Matrices:
    """The matrices, copied unless rows or columns lie side by side: else NumPy has no kernel."""
    if factor.requires_grad:
        factor = factor.detach()
    if 1 not in factor.stride()[1:]:
        factor = factor.contiguous()
    matrices: Matrices = factor.numpy()
    return matrices


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1, "products")


@lru_cache
def _processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return ""
