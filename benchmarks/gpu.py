"""Everything that needs a GPU, in one run of at most eight minutes: checks, then a table.

    python benchmarks/gpu.py [--device cuda] [--quick]

* ``captured``: steps replayed from a CUDA graph end with the weights of launched ones.
* ``company``: a trial has the same bits alone and in a fleet (I9 is promised for a processor; here
  it is looked at).
* ``resume``: a checkpoint written on a processor is gone on with on the GPU, and the other way.
* ``fleet``: K trials of the owner's 2-50-50-1 network for 50 epochs; time, and memory beside what
  the planner reckons with.
* ``bfloat16``: products in lower precision train to about the same loss.
* ``images``: a fleet of small convolutional networks.

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
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worker.data import Outline, Prepared, Table, load_builtin, prepare
from worker.data.table import categorical, images
from worker.search import plan
from worker.search.plan import bytes_per_trial
from worker.spec import Builtin, JobSpec, Trial
from worker.training import FleetRun, dump_state, load_state
from worker.training.fleet import update
from worker.training.stepping import CapturedSteps, LaunchedSteps

LIMIT = 8 * 60
"""Seconds after which no further check begins."""
TECHNIQUES: dict[str, Any] = {
    "l1": {"strength": 1e-4, "method": "proximal"},
    "l2": {"strength": 1e-4},
    "weight_decay": {"strength": 1e-3},
    "dropout": {"p": 0.2},
    "max_norm": {"norm": 2.0},
}


class NotHere(Exception):  # noqa: N818  (says what is the case)
    """What a check needs is not on this machine."""


def planned(job: dict[str, Any]) -> tuple[list[Trial], Prepared, int]:
    """The trials of a job on built-in rows, their data, and the bytes that one is reckoned with."""
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = Outline.of(table, spec, target)
    (fleet,) = plan(spec, outline, memory=2**62)
    reckoned = bytes_per_trial(fleet.trials, outline)
    return list(fleet.trials), prepare(table, spec, target), reckoned


def seeds(number: int, training: dict[str, Any]) -> list[dict[str, Any]]:
    """So many configurations that differ in their seed."""
    return [{"name": str(n), "training": {**training, "seed": n}} for n in range(number)]


def trained(run: FleetRun) -> Tensor:
    """``[K, P]``: the weights at the end of a run."""
    for _ in run.epochs():
        pass
    return run.finals.tensors["weights"]


class Checks:
    """The checks, on one device."""

    def __init__(self, device: str, *, quick: bool) -> None:
        self.device, self.quick = device, quick

    def _needs_cuda(self) -> None:
        if not self.device.startswith("cuda"):
            raise NotHere("CUDA graphs are for CUDA")

    def _fleet(self, number: int, epochs: int, **training: Any) -> tuple[list[Trial], Prepared]:
        settings = {"epochs": epochs, "batch_size": 96, **training}
        trials, prepared, _ = planned(
            {"regularization": TECHNIQUES, "compare": seeds(number, settings)}
        )
        return trials, prepared

    def captured(self) -> str:
        """The last batch is smaller than the others: two graphs."""
        self._needs_cuda()
        trials, prepared = self._fleet(8, 3)
        run, other = (FleetRun(trials, prepared, self.device) for _ in "ab")
        if not isinstance(run.step, CapturedSteps):
            raise AssertionError(f"steps are {type(run.step).__name__}")
        other.step = LaunchedSteps(other.engine, update)
        weights, expected = trained(run), trained(other)
        difference = float((weights - expected).abs().max())
        if not run.step._works:
            raise AssertionError("the capture was refused; see the warning above")
        if difference > 1e-6:
            raise AssertionError(f"largest difference of weights {difference:.2g}")
        return f"largest difference of weights {difference:.2g}; {len(run.step._graphs)} graphs"

    def company(self) -> str:
        """Seven trials, and the third of them alone."""
        trials, prepared = self._fleet(7, 3)
        together = trained(FleetRun(trials, prepared, self.device))[2]
        alone = trained(FleetRun(trials[2:3], prepared, self.device))[0]
        if torch.equal(together, alone):
            return "the same bits"
        return f"not the same bits: {float((together - alone).abs().max()):.2g} apart"

    def resume(self) -> str:
        """Within an epoch, from one device to the other."""
        trials, prepared = self._fleet(4, 4, optimizer={"kind": "sgd", "learning_rate": 0.05})
        expected = trained(FleetRun(trials, prepared, "cpu"))
        differences = []
        for first, second in (("cpu", self.device), (self.device, "cpu")):
            steps = count()
            run = FleetRun(trials, prepared, first)
            for _ in run.epochs(interrupted=lambda: next(steps) >= 13):  # noqa: B023
                pass
            resumed = FleetRun(trials, prepared, second)
            resumed.restore(load_state(dump_state(run.state())))
            weights = trained(resumed)
            if not weights.isfinite().all():
                raise AssertionError(f"{first} → {second}: weights are not finite")
            differences.append(float((weights - expected).abs().max()))
        return "masks differ by device; apart by " + " and ".join(f"{d:.2g}" for d in differences)

    def fleet(self) -> str:
        """The owner's network, one seed for all as in a search, λ of its own for each."""
        number, epochs = (16, 2) if self.quick else (4096, 50)
        configurations = [
            {
                "name": str(n),
                "regularization": {"dropout": {"p": 0.2}, "l1": {"strength": 1e-6 * n}},
            }
            for n in range(number)
        ]
        trials, prepared, reckoned = planned(
            {
                "dataset": {"builtin": "circle", "rows": 1000},
                "network": {"kind": "mlp", "hidden": [50, 50]},
                "training": {"epochs": epochs, "batch_size": 32},
                "compare": configurations,
            }
        )
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        begin = time.perf_counter()
        run = FleetRun(trials, prepared, self.device)
        trained(run)
        run.results()
        seconds = time.perf_counter() - begin
        steps = epochs * run.engine.batches
        line = f"K = {number}, {epochs} epochs: {seconds:.1f} s, "
        line += (
            f"{seconds / steps * 1e6:.0f} µs a step, {seconds / steps / number * 1e6:.2f} a trial"
        )
        if self.device.startswith("cuda"):
            peak = torch.cuda.max_memory_allocated()
            line += f"; peak {peak / 2**20:.0f} MiB, reckoned {reckoned * number / 2**20:.0f}"
            if peak > reckoned * number:
                raise AssertionError(f"{line}: more than the planner reckons with")
        return line

    def bfloat16(self) -> str:
        """The loss of the same training in both precisions."""
        losses = []
        for precision in ("float32", "bfloat16"):
            trials, prepared = self._fleet(4, 3 if self.quick else 20, precision=precision)
            run = FleetRun(trials, prepared, self.device)
            trained(run)
            values = [result.metrics["validation_loss"] for result in run.results()]
            losses.append(float(np.mean([value for value in values if value is not None])))
        if abs(losses[0] - losses[1]) > 0.1:
            raise AssertionError(f"validation loss {losses[0]:.3f} and {losses[1]:.3f}")
        return f"validation loss {losses[0]:.6f} in float32, {losses[1]:.6f} in bfloat16"

    def images(self) -> str:
        """Random pixels of two classes that differ in their mean."""
        rows, number, epochs = (64, 2, 1) if self.quick else (2000, 16, 3)
        draw = np.random.default_rng(0)
        labels = draw.integers(2, size=rows).astype(np.int32)
        pixels = draw.normal(110 + 30 * labels[:, None, None, None], 40, (rows, 1, 28, 28))
        table = Table.of(
            [
                images("pixels", pixels.clip(0, 255).astype(np.uint8)),
                categorical("label", ["a", "b"], labels),
            ]
        )
        spec = JobSpec.model_validate(
            {
                "dataset": "ds_benchmark0",
                "target": "label",
                "network": {"kind": "cnn", "channels": [8, 16], "hidden": [32]},
                "regularization": {"spatial_dropout": {"p": 0.1}, "batch_norm": {}, "flip": {}},
                "training": {"epochs": epochs, "batch_size": 128},
                "repeats": number,
            }
        )
        (fleet,) = plan(spec, Outline.of(table, spec), memory=2**62)
        run = FleetRun(fleet.trials, prepare(table, spec), self.device)
        begin = time.perf_counter()
        trained(run)
        seconds = time.perf_counter() - begin
        accuracies = [result.metrics["validation_accuracy"] or 0.0 for result in run.results()]
        return (
            f"K = {number}, {epochs} epochs of {rows} images of 28×28: {seconds:.1f} s, "
            f"validation accuracy {min(accuracies):.3f} to {max(accuracies):.3f}"
        )


def report(name: str, look: Callable[[], str]) -> bool:
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
        f"torch {torch.__version__}, {card}, {platform.machine()}, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}\n\n| check | what was seen | time |\n|---|---|---|",
        flush=True,
    )
    checks = Checks(options.device, quick=options.quick)
    looks = (
        checks.captured,
        checks.company,
        checks.resume,
        checks.fleet,
        checks.bfloat16,
        checks.images,
    )
    begin, failed = time.perf_counter(), 0
    for look in looks:
        if time.perf_counter() - begin > LIMIT:
            print(f"| {look.__name__} | not begun: the time is up | |")
            failed += 1
            continue
        failed += not report(look.__name__, look)
    print(f"\n{failed} of {len(looks)} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
