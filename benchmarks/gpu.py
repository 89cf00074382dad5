"""Everything that needs a GPU, in one run of at most eight minutes: checks and tables.

    python benchmarks/gpu.py [--device cuda] [--quick]

Set up as trainers are: deterministic algorithms, one thread.

* ``start``: the first fleet of a process until its first step, and the second one.
* ``captured``: steps replayed from a CUDA graph end with the weights of launched ones.
* ``techniques``: so does every technique of the catalogue; which cannot be captured.
* ``company``: a trial has the same bits alone and in a fleet (I9 is promised for a processor; here
  it is looked at).
* ``leaving``: trials stop early, and the rest go on as a smaller fleet.
* ``resume``: a checkpoint is gone on with to the same bits, and on the other kind of device.
* ``solver``: a linear network is solved to the processor's optimum.
* ``served``: what is trained here is certified on the processor.
* ``fleet``: K trials of the owner's 2-50-50-1 network for 50 epochs; where the time goes, and
  memory beside what the planner reckons with.
* ``bfloat16``: products in lower precision train to about the same loss.
* ``images``: a fleet of small convolutional networks.
* ``refused``: a fleet whose steps ask the host trains all the same, and the next one is captured.

Each check prints a line as it ends; one that raises is a line too. The last line says how many
failed, and so does the exit status. ``--quick`` takes tiny sizes, to try the script itself, on a
processor too: what cannot be there is passed over by name.
"""

import argparse
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from _gpu_checks import Checks, NotHere
from _gpu_speed import report

from worker.training import compute_exactly, tune_processor

LIMIT = 8 * 60
"""Seconds after which no further check begins."""
HEAD = "| check | what was seen | time |\n|---|---|---|"


def attempt(name: str, look: Callable[[], str]) -> bool:
    """Print what a check came to; whether it did not fail."""
    begin = time.perf_counter()
    try:
        line, passed = look(), True
    except NotHere as missing:
        line, passed = f"passed over: {missing}", True
    except Exception as error:  # one check must not hide the others
        traceback.print_exc()
        line, passed = f"FAILED: {error}", False
    print(f"| {name} | {line} | {time.perf_counter() - begin:.1f} s |", flush=True)
    return passed


def processor() -> str:
    """What the processor calls itself."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def main() -> int:
    """Run all checks; the number of those that failed."""
    parser = argparse.ArgumentParser(description="The checks that need a GPU.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the script")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("There is no CUDA device here; --device cpu --quick tries the script itself.")
        return 1
    card = torch.cuda.get_device_name() if options.device.startswith("cuda") else "no card"
    print(
        f"torch {torch.__version__}, {card}, {os.cpu_count()} CPUs ({processor()}), "
        f"Python {platform.python_version()}\n\n{HEAD}",
        flush=True,
    )
    # As a trainer: cuBLAS reads its setting before the first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    tune_processor(1)
    compute_exactly()
    checks = Checks(options.device, quick=options.quick)
    looks = [look for name, look in vars(Checks).items() if not name.startswith("_")]
    begin, failed = time.perf_counter(), 0
    for look in looks:
        if look is Checks.refused and time.perf_counter() - begin < LIMIT:
            report(options.device, quick=options.quick)  # before memory is kept by a failed capture
            print(f"\n{HEAD}")
        if time.perf_counter() - begin > LIMIT:
            print(f"| {look.__name__} | not begun: the time is up | |")
            failed += 1
            continue
        failed += not attempt(look.__name__, look.__get__(checks))
    print(f"\n{failed} of {len(looks)} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
