"""The page to begin with: a fleet, an epoch, a step, the end of an epoch.

A fleet is K trials of equal structure: the same network, and what else they differ in are numbers.
They train as one tensor program. All weights are one matrix w ``[K, P]``, row k being trial k's;
every technique has its settings as tensors ``[K]``, with a neutral value where a trial does not use
it; a step is a dozen expressions over all of them. Nothing in it loops over trials.

Everything that changes while training is the fleet's *state*: tensors by name whose first axis is
the trial (``Engine.state``). So leaving trials behind, going on from a checkpoint and keeping a
trial's last weights are all a choice of rows, ``state[rows]``.

    run = FleetRun(trials, prepared)
    for report in run.epochs():
        print(report.epoch, report.metrics["validation_loss"])
    run.result()                                   # the models, as one file
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from worker.data import Prepared
from worker.models import ModelFile
from worker.results import TrialResult
from worker.search import Halving
from worker.spec import Trial
from worker.training.engine import Engine, FleetState
from worker.training.environment import Environment
from worker.training.final import Threshold
from worker.training.numbers import PerTrialNumber, narrow
from worker.training.outcome import Finals, Outcome, Report, record
from worker.training.result import model_file, trial_results
from worker.training.state import TrainingState, training_state
from worker.training.stepping import stepping
from worker.training.training_loss import ungraded


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to: one list a metric, one entry a trial; none for one that has ended.

    Of an epoch that is not measured (``training.evaluate``), the objective and the rate alone.
    """

    epoch: int
    metrics: Report
    halved: tuple[int, ...] = ()
    """The trials that halving let go at the end of it."""


def update(engine: Engine, index: Tensor, rate: PerTrialNumber, number: int | Tensor) -> None:
    """One step of every trial: forward, backward, penalties, decay, optimizer, prox, constraints.

    Args:
        engine: the networks, techniques and optimizers of K trials.
        index: rows of the data, ``[K, B]``; ``[1, B]`` where all trials take the same.
        rate: η, ``[K, 1]`` or one for all.
        number: of the step, from 1.
    """
    w = engine.parameters.values  # [K, P]
    engine.streams.rewind()
    loss, gradients = engine.loss.differentiate(index)  # [K]; [K, …] by parameter
    with ungraded():
        g = engine.parameters.collect(gradients)  # [K, P]
        engine.objective += engine.penalties.add_gradient(w, g, loss)
        engine.decays.add_gradient(w, g)
        eta = narrow(rate, w)
        engine.decays.decay(w, eta)
        engine.optimizer.step(w, g, rate, number)
        engine.penalties.shrink(w, eta)
        engine.constraints.project(w)


class FleetRun:
    """Trains trials of equal structure as one tensor program.

    ``state`` and ``restore`` carry a run over to another process at any step. A trial ends with the
    same bits alone, in any fleet and after any interruption, on the same kind of machine with the
    same number of threads and version of torch. On a GPU that is so after any interruption; between
    fleets of other sizes it is rounded otherwise.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        prepared: Prepared,
        device: str = "cpu",
        halving: Halving | None = None,
        threshold: Threshold | None = None,
    ) -> None:
        self.trials, self.prepared, self.device = tuple(trials), prepared, device
        self.halving, self.threshold = halving, threshold
        self.outcomes = [Outcome() for _ in trials]
        self.epoch = self.batch = self.steps = 0
        self.interrupted = False
        self._final: tuple[list[bool], Engine] | None = None
        self._assemble(list(range(len(trials))))
        self.finals = Finals(self.engine)

    @property
    def environment(self) -> Environment:
        """What its last bits depend on, beside its trials."""
        return Environment.of(self.device)

    def _assemble(self, members: list[int]) -> None:
        """An engine for some of the trials, which are its rows; and their way of stepping."""
        self.members = members
        trials = [self.trials[member] for member in members]
        self.engine = Engine(trials, self.prepared, self.device, structure=self.trials)
        if isinstance(self.threshold, float):  # one that is chosen is known at the end alone
            self.engine.thresholds.fill_(self.threshold)
        self.step = stepping(self.engine, update)

    def epochs(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[EpochReport]:
        """Train, and report each epoch (from 1) as it ends. ``interrupted`` is asked every step."""
        while self.epoch < self.engine.epochs and self._alive().any():
            if self.batch == 0:
                self.engine.start_epoch(self.epoch)
            while self.batch < self.engine.batches:
                if interrupted():
                    self.interrupted = True
                    return
                self.step(self.batch)
                self.batch, self.steps = self.batch + 1, self.steps + 1
            self.epoch, self.batch = self.epoch + 1, 0
            yield self._end_epoch()

    def _end_epoch(self) -> EpochReport:
        """Measure; let trials go that diverged, have stopped or are done; then the others train."""
        at_rung = self.halving is not None and self.epoch in self.halving.rungs
        measured = at_rung or self._is_measured()
        metrics = self.engine.end_epoch(self.epoch - 1, measured=measured)  # [K] each
        finite = metrics["objective"].isfinite()
        stopped = self.engine.solved()
        if measured:  # of what would be served now
            finite &= metrics["train_loss"].isfinite()
            stopped |= self.engine.watch.judge(metrics, finite, self.epoch)
        last = self.epoch == self.engine.epochs

        report = record(self.outcomes, self.members, self.epoch, metrics, finite)
        if measured:
            self._remember(report, finite, stopped | (last or at_rung))
        self._diverge(~finite)
        self._finish(finite & (stopped | last))
        halved = self._halve(report) if measured and not last else ()

        self._compact(half=not halved)
        return EpochReport(self.epoch, report, halved)

    def _is_measured(self) -> bool:
        """Whether the epoch that has ended is, by its number or since a trial has been solved."""
        is_due = self.engine.training.is_measured(self.epoch)
        return is_due or bool((self.engine.solved().cpu() & self._alive()).any())

    def _alive(self) -> Tensor:
        """``[K]`` bool, over the engine's rows: trials that have not ended."""
        return torch.tensor([not self.outcomes[trial].ended for trial in self.members])

    def _remember(self, report: Report, finite: Tensor, ending: Tensor) -> None:
        """Keep what the weights came to that trials end with, or may: it is not measured again."""
        watch = self.engine.watch
        kept = finite & (watch.best_epoch == self.epoch) & (watch.restores | ending)
        for row in torch.nonzero(kept.cpu() & self._alive()).flatten().tolist():
            trial = self.members[row]
            self.outcomes[trial].measured = {name: column[trial] for name, column in report.items()}

    def _diverge(self, diverged: Tensor) -> None:
        """End living trials ``[K]`` bool whose loss is no number any more, without weights."""
        rows = torch.nonzero(diverged.cpu() & self._alive()).flatten().tolist()
        ending = [self.members[row] for row in rows]
        at_once = [trial for trial in ending if self.outcomes[trial].last_finite_loss is None]
        if at_once:  # their last finite loss is that before the first step
            trials = [self.trials[trial] for trial in at_once]
            untrained = Engine(trials, self.prepared, self.device).training_loss()
            for trial, loss in zip(at_once, untrained.tolist(), strict=True):
                self.outcomes[trial].last_finite_loss = loss
        for trial in ending:
            self.outcomes[trial].diverge(self.epoch)

    def _finish(self, finished: Tensor) -> None:
        """End living trials ``[K]`` bool with the weights that they have come to."""
        rows = torch.nonzero(finished.cpu() & self._alive()).flatten().tolist()
        solved = self.engine.solved().tolist() if self.engine.solver is not None else None
        best_epochs = self.engine.watch.best_epoch.tolist()
        for row in rows:
            outcome = self.outcomes[self.members[row]]
            outcome.finish(best_epochs[row], None if solved is None else solved[row])
        self.finals.take(self.engine, rows, [self.members[row] for row in rows])

    def _halve(self, report: Report) -> tuple[int, ...]:
        """Let those trials go that successive halving does not keep; which they are."""
        if self.halving is None:
            return ()
        leaving = self.halving.leaving(
            self.epoch,
            report[self.halving.objective],
            living=[not outcome.ended for outcome in self.outcomes],
            failed=[outcome.error is not None for outcome in self.outcomes],
        )
        best_epochs = self.engine.watch.best_epoch.tolist()
        rows = [self.members.index(trial) for trial in leaving]
        for row, trial in zip(rows, leaving, strict=True):
            self.outcomes[trial].leave(self.epoch, best_epochs[row])
        self.finals.take(self.engine, rows, leaving)
        return tuple(leaving)

    def _compact(self, *, half: bool) -> None:
        """Go on with the living alone; with ``half``, once they are half or fewer."""
        alive = self._alive()
        most = len(self.members) // 2 if half else len(self.members) - 1
        if 0 < int(alive.sum()) <= most:
            state = self.engine.state[alive]
            self._assemble([m for m in self.members if not self.outcomes[m].ended])
            self.engine.state.load(state)

    def results(self) -> list[TrialResult]:
        """How each trial ended, measured once more on the weights that it keeps."""
        return trial_results(self.final_engine(), self.prepared, self.outcomes, self.threshold)

    def result(self) -> ModelFile:
        """The models of all trials, stacked: what prediction needs, and nothing else."""
        return model_file(self.final_engine(), self.prepared, self.threshold)

    def final_engine(self) -> Engine:
        """All trials with the weights that they keep: one program, until more have ended."""
        ended = [outcome.ended for outcome in self.outcomes]
        if self._final is None or self._final[0] != ended:
            self._final = ended, Engine(self.trials, self.prepared, self.device)
            self.finals.give(self._final[1])
        return self._final[1]

    def state(self) -> TrainingState:
        """Everything needed to go on from this very step."""
        return training_state(self)

    def restore(self, state: TrainingState) -> None:
        """Take over a state of the same trials and data."""
        position, self._final = state.position, None
        self.epoch, self.batch, self.steps = position.epoch, position.batch, position.steps
        self.outcomes = [replace(outcome) for outcome in position.outcomes]
        self.finals.load(state.under("finals."))
        if self.halving is not None and position.halving is not None:
            self.halving.restore(position.halving)
        self._assemble(position.members)
        self.engine.state.load(FleetState(state.under("rows.")))
        if self.batch:  # within an epoch: what an epoch begins with follows from its number
            self.engine.start_epoch(self.epoch, objective=self.engine.objective.clone())
