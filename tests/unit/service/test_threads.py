"""A call of torch or BLAS takes the thread that makes it, as long as the service runs."""

import threading

import numpy as np
import torch
from threadpoolctl import threadpool_info

from service.threads import one_thread_a_call


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def torch_threads_elsewhere() -> int:
    found: list[int] = []

    def compute() -> None:
        torch.ones(8, 8) @ torch.ones(8, 8)
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    return found[0]


def test_all_threads_compute_alone_and_afterwards_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        blas = blas_threads()
        with one_thread_a_call():
            assert (torch.get_num_threads(), torch_threads_elsewhere()) == (1, 1)
            assert blas_threads() == {1}
        assert (torch.get_num_threads(), torch_threads_elsewhere()) == (2, 2)
        assert blas_threads() == blas
    finally:
        torch.set_num_threads(before)
