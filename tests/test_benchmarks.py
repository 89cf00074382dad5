"""The script for a GPU runs where there is none, as far as it can."""

import subprocess
import sys

import pytest

from tests.source import ROOT


@pytest.mark.slow
def test_the_checks_for_a_gpu_run_on_a_processor() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 12 failed" in done.stdout
    assert "passed over: CUDA graphs" in done.stdout
