"""Encoded rows that are pages of a file, mapped."""

import mmap

import numpy as np
from numpy.typing import NDArray


def leave_pages(x: NDArray[np.float32]) -> None:
    """Leave a matrix that is looked at no more as a whole to the system's cache: its pages count as
    this process's own until it does, and come back as they are needed. Others are not touched.
    """
    base: object = x
    while isinstance(base, np.ndarray):
        base = base.base
    pages = base.obj if isinstance(base, memoryview) else base
    if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
