"""What a checkpoint after every epoch costs, beside a training without any.

    python benchmarks/checkpoints.py [--trials 64] [--epochs 50] [--pairs 7]

The owner's network (2-50-50-1, L1, L2, dropout, 1,000 rows of `circle`, batches of 32), 64 trials
in a fleet, trained by a trainer's own code on SQLite and a folder: metrics stored, checkpoints
written, synced and verified, rows that refer to them committed. In turn with `checkpoint_seconds`
0 and with a day; the time from the first step to the end of the last epoch, the last checkpoint
included; and, where others work on the machine too, the processor time of the trainer's own thread.
Both end with the same bits. Where the disk takes longer for a checkpoint than an epoch lasts, there
are fewer checkpoints than epochs: how many is told. It exits 1 where the median of the pairs'
ratios of time is 5 % or more.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _serving import prepare_to_run
from _shared import machine

from worker.jobs import JobIntake, TableCache
from worker.runtime.checkpoint_writer import CheckpointWriter
from worker.runtime.fleet_training import FleetTraining
from worker.runtime.standby import Channel
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage import counters, fleets, jobs
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.training import FleetRun, compute_exactly, tune_processor

MOST = 0.05
"""What it may cost, as a share of the training's time."""


class Timed(FleetTraining):
    """A trainer's work, and when its epochs began and ended."""

    began = ended = 0.0
    computed = 0.0
    """Processor time of this thread between them."""

    def _load(self) -> FleetRun | None:
        run = super()._load()
        self.began, self.computed = time.perf_counter(), -time.thread_time()
        return run

    def _finish(self, run: FleetRun) -> str:
        self._flush()  # waits for the last checkpoint
        self.ended = time.perf_counter()
        self.computed += time.thread_time()
        return super()._finish(run)


def job(trials: int, epochs: int) -> JobSpec:
    """The owner's network, several times, each with a seed of its own."""
    body: dict[str, Any] = {
        "dataset": {"builtin": "circle", "rows": 1000, "seed": 42},
        "network": {"kind": "mlp", "hidden": [50, 50]},
        "regularization": {
            "l1": {"strength": 1e-4},
            "l2": {"strength": 1e-4},
            "dropout": {"p": 0.2},
        },
        "training": {"epochs": epochs, "batch_size": 32},
        "repeats": trials,
    }
    return JobSpec.model_validate_json(json.dumps(body))


def train(
    folder: Path, seconds: float, options: argparse.Namespace
) -> tuple[float, float, int, str | None]:
    """Seconds of its epochs, the processor's seconds of its thread, checkpoints, and the hash of
    the models. In a fork of a process that has computed nothing, as trainers are.
    """
    settings = ServiceSettings(
        state=folder,
        database_url=f"sqlite:///{folder / 'parsimony.db'}",
        artefacts_url=str(folder / "artefacts"),
        device="cpu",
        threads=options.threads,
        checkpoint_seconds=seconds,
    )
    database, artefacts = Database(settings.database_url), Artefacts(settings.artefacts_url)
    database.migrate()
    intake = JobIntake(settings, database, TableCache(database, artefacts))
    posted = intake.accept(job(options.trials, options.epochs))
    with database.write() as session:
        (fleet,) = jobs.fleets(session, posted.id)
        lease = fleets.claim(session, fleet.id, owner="benchmark")
    if lease is None:
        raise RuntimeError("the fleet cannot be claimed")
    database.close()
    silent = os.open(os.devnull, os.O_RDWR)
    writer = CheckpointWriter.start(settings, lease, ())
    database = Database(settings.database_url)
    channel = Channel(silent, silent)
    training = Timed(settings, database, artefacts, lease, channel, None, writer)
    training.run()
    if writer is not None:
        writer.close()
    with database.read() as session:
        (fleet,) = jobs.fleets(session, posted.id)
        taken = fleet.result_sha256
        total = counters.totals(session).get(counters.CHECKPOINTS)
    database.close()
    count = 0 if total is None else total.count
    return training.ended - training.began, training.computed, count, taken


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="The cost of a checkpoint after every epoch.")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    prepare_to_run()
    tune_processor(options.threads)
    compute_exactly()
    print(machine(options.threads))
    pairs: list[list[tuple[float, float]]] = []
    counts: list[int] = []
    hashes: set[str | None] = set()
    for number in range(options.pairs + 1):
        pair: list[tuple[float, float]] = []
        for seconds in (86_400.0, 0.0):
            with (
                tempfile.TemporaryDirectory(prefix="parsimony-checkpoints-") as folder,
                multiprocessing.get_context("fork").Pool(1) as fresh,
            ):
                elapsed, computed, count, taken = fresh.apply(
                    train, (Path(folder), seconds, options)
                )
                fresh.close()
                fresh.join()
            pair.append((elapsed, computed))
            hashes.add(taken)
        if number:  # the first pair is for warming up
            pairs.append(pair)
            counts.append(count)
    print(f"{options.trials} trials, {options.epochs} epochs; median of {len(pairs)} pairs")
    costs = []
    for kind, name in enumerate(("time", "the thread's processor time")):
        without, written = (statistics.median(pair[n][kind] for pair in pairs) for n in (0, 1))
        ratios = sorted(pair[1][kind] / pair[0][kind] - 1 for pair in pairs)
        costs.append(statistics.median(ratios))
        print(f"{name}: without {without:.3f} s, with {written:.3f} s")
        print(f"    cost {costs[-1]:.1%} ({ratios[0]:.1%} to {ratios[-1]:.1%})")
    print(f"checkpoints written: {statistics.median(counts):g} of {options.epochs}")
    print(f"the same bits: {'yes' if len(hashes) == 1 else 'NO'}")
    sys.exit(0 if costs[0] < MOST and len(hashes) == 1 else 1)


if __name__ == "__main__":
    main()
