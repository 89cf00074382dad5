"""The loop: a fleet of trials, trained together, from the first epoch to the last."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from worker.data import Prepared
from worker.results.trial import TrialResult
from worker.search import Halving
from worker.spec import Trial
from worker.training.outcome import Finals, Outcome
from worker.training.program import Program
from worker.training.result import FleetResult, fleet_result, trial_results
from worker.training.state import TrainingState


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to: one list a metric, one entry a trial; none for one that has ended."""

    epoch: int
    metrics: dict[str, list[float | None]]
    halved: tuple[int, ...] = ()
    """The trials that halving let go at the end of it."""


class FleetRun:
    """Trains trials of equal structure as one tensor program.

    A trial that stops or diverges leaves; when half have left, the program is rebuilt for the
    rest. ``state`` and ``restore`` carry a run over to another process at any step; the weights
    it ends with are the same bits, on the same kind of machine and number of threads.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        prepared: Prepared,
        device: str = "cpu",
        halving: Halving | None = None,
    ) -> None:
        self.trials, self.prepared, self.device = tuple(trials), prepared, device
        self.halving = halving
        self.program = Program(self.trials, prepared, device)
        self.members = list(range(len(trials)))
        """The trial that each row of the program is."""
        self.outcomes = [Outcome() for _ in trials]
        self.finals = Finals(self.program)
        self.epoch = self.batch = self.steps = 0
        self.interrupted = False

    def epochs(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[EpochReport]:
        """Train, and report each epoch (from 1) as it ends. ``interrupted`` is asked every step."""
        while self.epoch < self.program.training.epochs and self._alive().any():
            if self.batch == 0:
                self.program.start_epoch(self.epoch)
            while self.batch < self.program.batches:
                if interrupted():
                    self.interrupted = True
                    return
                self.program.step(self.batch)
                self.batch, self.steps = self.batch + 1, self.steps + 1
            self.epoch, self.batch = self.epoch + 1, 0
            yield self._end_epoch()

    def _alive(self) -> Tensor:
        """``[K]`` bool, over the program's rows: trials that have not ended."""
        return torch.tensor([not self.outcomes[trial].ended for trial in self.members])

    def _end_epoch(self) -> EpochReport:
        """Measure; let trials go that diverged or stopped; leave them behind when they are many."""
        program = self.program
        metrics = program.end_epoch(self.epoch - 1)
        metrics["objective"] = program.objective / program.batches
        finite = metrics["objective"].isfinite() & metrics["train_loss"].isfinite()
        stop = program.watch.judge(metrics, finite, self.epoch)
        solved: list[bool | None] = [None] * len(self.members)
        if program.solver is not None:
            solved = program.solver.converged().tolist()
            stop |= program.solver.converged()
        table = torch.stack([m.double() for m in metrics.values()]).tolist()  # one read-back
        values = dict(zip(metrics, table, strict=True))
        report: dict[str, list[float | None]] = {n: [None] * len(self.trials) for n in values}
        last = self.epoch == program.training.epochs
        for row, (ok, done) in enumerate(zip(finite.tolist(), stop.tolist(), strict=True)):
            outcome = self.outcomes[self.members[row]]
            if outcome.ended:
                continue
            if ok:
                outcome.progress(self.epoch, values["objective"][row])
                for name, column in values.items():
                    report[name][self.members[row]] = column[row]
            if not ok:
                if outcome.last_finite_loss is None:
                    outcome.last_finite_loss = self._initial_loss(self.members[row])
                outcome.diverge(self.epoch)
            elif done or last:
                outcome.finish(int(program.watch.best_epoch[row]), solved[row])
                self.finals.take(program, row, self.members[row])
        halved = () if last else self._halve(report)
        self._compact(half=not halved)
        return EpochReport(self.epoch, report, halved)

    def _initial_loss(self, trial: int) -> float:
        """A trial's training loss before its first step: the last finite one, if epoch 1 is not."""
        program = Program([self.trials[trial]], self.prepared, self.device)
        return float(program.measure()["train_loss"])

    def _halve(self, report: dict[str, list[float | None]]) -> tuple[int, ...]:
        """Let those trials go that halving does not keep; which they are."""
        if self.halving is None:
            return ()
        leaving = self.halving.leaving(
            self.epoch,
            report[self.halving.objective],
            living=[not outcome.ended for outcome in self.outcomes],
            failed=[outcome.error is not None for outcome in self.outcomes],
        )
        rows = {trial: row for row, trial in enumerate(self.members)}
        for trial in leaving:
            best_epoch = int(self.program.watch.best_epoch[rows[trial]])
            self.outcomes[trial].leave(self.epoch, best_epoch)
            self.finals.take(self.program, rows[trial], trial)
        return tuple(leaving)

    def _compact(self, *, half: bool) -> None:
        """Rebuild the program for the living; with ``half``, once they are half or fewer."""
        alive = self._alive()
        most = len(self.members) // 2 if half else len(self.members) - 1
        if 0 < int(alive.sum()) <= most:
            rows = {name: tensor[alive] for name, tensor in self.program.rows().items()}
            members = [m for m in self.members if not self.outcomes[m].ended]
            self._rebuild(members, rows)

    def _rebuild(self, members: list[int], rows: dict[str, Tensor]) -> None:
        self.members = members
        trials = [self.trials[member] for member in members]
        self.program = Program(trials, self.prepared, self.device, fleet=self.trials)
        self.program.load(rows)

    def results(self) -> list[TrialResult]:
        """How each trial ended, measured once more on the weights that it keeps."""
        return trial_results(self.final_program(), self.prepared, self.outcomes)

    def result(self) -> FleetResult:
        """The models of all trials, stacked: what prediction needs, and nothing else."""
        return fleet_result(self.final_program(), self.prepared)

    def final_program(self) -> Program:
        """All trials in eval mode, with the weights that they keep."""
        program = Program(self.trials, self.prepared, self.device)
        self.finals.give(program)
        return program

    def state(self) -> TrainingState:
        """Everything needed to go on from this very step."""
        tensors = {f"rows.{n}": t.detach().cpu() for n, t in self.program.rows().items()}
        tensors |= {f"finals.{n}": t for n, t in self.finals.tensors.items()}
        tensors["generator"] = self.program.generator.get_state()
        outcomes = [outcome.dump() for outcome in self.outcomes]
        meta: dict[str, Any] = {"epoch": self.epoch, "batch": self.batch, "steps": self.steps}
        if self.halving is not None:
            meta["halving"] = self.halving.state()
        return TrainingState(tensors, meta | {"members": self.members, "outcomes": outcomes})

    def restore(self, state: TrainingState) -> None:
        """Take over a state of the same trials and data."""
        tensors, meta = state.tensors, state.meta
        self.epoch, self.batch, self.steps = meta["epoch"], meta["batch"], meta["steps"]
        self.outcomes = [Outcome.load(outcome) for outcome in meta["outcomes"]]
        for name, tensor in self.finals.tensors.items():
            tensor.copy_(tensors[f"finals.{name}"])
        if self.halving is not None:
            self.halving.restore(meta["halving"])
        self._rebuild(list(meta["members"]), _under("rows.", tensors))
        if self.batch:  # mid-epoch: order and rates follow from the epoch, the stream does not
            objective = self.program.objective.clone()
            self.program.start_epoch(self.epoch)
            self.program.objective.copy_(objective)
            self.program.generator.set_state(tensors["generator"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
