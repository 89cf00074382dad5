import subprocess
import sys

import pytest

from worker.training.processor import threads_for

GIVEN_BACK = """
import numpy as np
from worker.training import give_memory_back, tune_processor
tune_processor(1)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
blocks = [np.ones(2**17) for _ in range(64)]

before = resident()
kept = blocks[1::2]
del blocks
held = resident()
give_memory_back()
print(before - held, held - resident())
"""
"""A MiB is freed between two that are kept, 32 times over."""


def test_small_fleets_take_one_thread() -> None:
    assert threads_for(trials=4, batch_size=32, parameters=2_751, limit=8) == 1
    assert threads_for(trials=64, batch_size=256, parameters=2_751, limit=8) == 8


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's way")
def test_what_was_freed_goes_back_when_asked() -> None:
    """Training keeps what it frees; between encoding and training it goes back."""
    answer = subprocess.run(
        [sys.executable, "-c", GIVEN_BACK], check=True, capture_output=True, text=True
    ).stdout
    alone, asked = map(float, answer.split())
    assert alone < 2
    assert asked > 28
