"""What a trainer holds at its peak, beside what the estimate of its job says.

    python benchmarks/memory.py [--only circle] [--parts]

Each job is trained in a fresh process that does what a trainer does: it has torch in memory, reads
the stored table, encodes it, gives back what it needs no more, trains with checkpoints, measures
the final weights and writes the models. The peak is that of its resident memory, less what it had
before it read: a standby's memory is shared. In MiB; with ``--parts``, phase by phase.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _shared import drawn_table, machine

from worker.data import Outline, Table, load_builtin, prepare
from worker.search import plan, planned_costs
from worker.spec import Builtin, JobSpec

MIB = 2**20
Job = dict[str, Any]


def adam(epochs: int, batch: int) -> Job:
    """How it trains."""
    return {"epochs": epochs, "batch_size": batch, "optimizer": {"kind": "adam"}}


@dataclass(frozen=True)
class Problem:
    """A job on drawn or built-in data."""

    name: str
    job: Job
    rows: int = 0
    shape: tuple[int, ...] = ()
    regularization: Job = field(
        default_factory=lambda: {"dropout": {"p": 0.2}, "l2": {"strength": 1e-4}}
    )
    configurations: int = 1

    @property
    def spec(self) -> JobSpec:
        """Some configurations that differ in a strength."""
        variants = [
            {
                "name": str(n),
                "regularization": {**self.regularization, "l1": {"strength": 1e-6 * n}},
            }
            for n in range(self.configurations)
        ]
        about = {"dataset": "ds_benchmark0", "target": "y"}
        return JobSpec.model_validate({**about, **self.job, "compare": variants})

    def table(self) -> Table:
        """Its data."""
        if not self.rows:
            circle = Builtin.model_validate({"builtin": self.job["dataset"]["builtin"]})
            return load_builtin(circle)[0]
        return drawn_table(self.rows, self.shape)


def mlp(*hidden: int, **more: Any) -> Job:
    """A network of dense layers."""
    return {"kind": "mlp", "hidden": list(hidden), **more}


CIRCLE = {"dataset": {"builtin": "circle"}, "target": "outside"}
ENSEMBLE = {"snapshot_ensemble": {"members": 4}}
PROBLEMS = (
    Problem(
        "circle, 256 trials",
        {**CIRCLE, "network": mlp(50, 50), "training": adam(3, 32)},
        configurations=256,
    ),
    Problem(
        "wide, 16 of 512-512 on 20,000 x 100",
        {"network": mlp(512, 512), "training": adam(1, 1024)},
        rows=20_000, shape=(100,), configurations=16,
    ),
    Problem(
        "many rows, 32 x 4 seeds on 400,000 x 10",
        {"network": mlp(16), "training": adam(1, 8192), "repeats": 4},
        rows=400_000, shape=(10,), configurations=32,
    ),
    Problem(
        "cnn, 16 on 1,797 images 8x8",
        {"network": {"kind": "cnn"}, "training": adam(1, 64)},
        rows=1_797, shape=(1, 8, 8), configurations=16,
    ),
    Problem(
        "ensembles of 4 on embeddings, 32 on 5,000 x 8",
        {"network": mlp(128, 128, embedding={"kind": "periodic"}), "training": adam(4, 512)},
        rows=5_000, shape=(8,), regularization=ENSEMBLE, configurations=32,
    ),
)  # fmt: skip


class Resident:
    """This process's resident memory, in MiB, and its peak since the last question."""

    def now(self) -> float:
        """At this moment."""
        return self._read("VmRSS")

    def peak(self) -> float:
        """Since the last reset."""
        return self._read("VmHWM")

    def reset(self) -> None:
        """Begin a new peak."""
        Path("/proc/self/clear_refs").write_text("5")

    def _read(self, name: str) -> float:
        line = next(
            line for line in Path("/proc/self/status").read_text().splitlines() if name in line
        )
        return int(line.split()[1]) / 1024


def train(problem: Problem, file: Path) -> dict[str, float]:
    """Train it here, as a trainer does; what each phase came to."""
    import worker.runtime.fleet_training  # noqa: F401  (as a standby)
    from worker.training import (
        FleetRun,
        compute_exactly,
        dump_state,
        give_memory_back,
        tune_processor,
    )

    tune_processor(1)
    compute_exactly()
    memory, spec = Resident(), problem.spec
    memory.reset()
    before = memory.now()
    table = Table.from_parquet(file.read_bytes())
    outline = Outline.of(table, spec)
    (planned,) = plan(spec, outline)
    prepared = prepare(table, spec)
    loading = memory.peak() - before
    del table
    give_memory_back()
    data = memory.now() - before
    memory.reset()
    run = FleetRun(planned.trials, prepared)
    for _ in run.epochs():
        dump_state(run.state())
    training = memory.peak() - before
    give_memory_back(for_good=True)
    memory.reset()
    run.results()
    run.result().dump()
    results = memory.peak() - before
    return {"loading": loading, "data": data, "training": training, "results": results}


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="problems whose name begins so")
    parser.add_argument("--parts", action="store_true", help="phase by phase")
    parser.add_argument("--train", nargs=2, metavar=("NUMBER", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        number, file = options.train
        print(json.dumps(train(PROBLEMS[int(number)], Path(file))))
        return
    print(machine(1))
    print(f"{'MiB':<48}{'estimate':>10}{'peak':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for number, problem in enumerate(PROBLEMS):
            if not problem.name.startswith(options.only):
                continue
            table, file = problem.table(), Path(folder) / "table.parquet"
            file.write_bytes(table.to_parquet())
            spec = problem.spec
            outline = Outline.of(table, spec)
            (cost,) = planned_costs(plan(spec, outline), outline)
            command = [sys.executable, __file__, "--train", str(number), str(file)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found: dict[str, float] = json.loads(answer)
            peak = max(found.values())
            line = f"{problem.name:<48}{cost.bytes / MIB:>10.0f}{peak:>10.0f}"
            print(f"{line}{cost.bytes / MIB / peak:>8.2f}", flush=True)
            if options.parts:
                print("    " + ", ".join(f"{name} {mib:.0f}" for name, mib in found.items()))


if __name__ == "__main__":
    main()
