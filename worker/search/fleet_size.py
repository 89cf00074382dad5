"""How many trials a fleet may have: as many as its memory holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.data import Outline
from worker.networks.layout import Layout, lay_out
from worker.regularization.early_stopping import EarlyStopping
from worker.regularization.technique import Memory, Technique
from worker.spec import SgdSpec, SolverSpec, Trial

FLEET_MEMORY = 2**30
"""Bytes that one fleet's tensors may take unless said otherwise."""
FLEET_TRIALS, GPU_FLEET_TRIALS = 256, 4096
"""Trials of a search that train together. More bring nothing on a CPU, and results come later; a
GPU is not busy with fewer."""
FLOAT = 4
DOCUMENTS = 16 * 2**10
"""Bytes of a trial's settings, epochs and report, as objects and as JSON."""
STEP_COPIES = 5
"""Copies of the weights within a step: gradients by layer and the update. Techniques say theirs."""
ACTIVATION_COPIES = 9
"""Numbers for each activation of a batch on the way forth and back by autograd; 5 by hand."""
SOLVER_COPIES, SOLVER_SCORES = 14, 10
"""Copies of the weights and of all rows' scores within an iteration of a solver, in float64."""


@dataclass(frozen=True)
class FleetLimits:
    """How large the fleets of a search may be."""

    memory: int = FLEET_MEMORY
    """Bytes of a fleet's tensors."""
    trials: int = FLEET_TRIALS
    """Trials of a fleet, unless a single configuration has more."""


USUAL = FleetLimits()
"""The limits of a processor."""


def largest_fleet(trials: Sequence[Trial], outline: Outline, memory: int = FLEET_MEMORY) -> int:
    """How many trials such as these fit one fleet of ``memory`` bytes; at least one."""
    return max(1, memory // bytes_per_trial(trials, outline))


def bytes_per_trial(trials: Sequence[Trial], outline: Outline) -> int:
    """The most that each trial of a fleet takes at a time, by formula; the data not counted.

    The trials are of one structure. What one of them needs is stored for all: with P weights,
    weights and gradient are 2P numbers, Adam's moments 2P, each kind of average P and one P for
    what is served, the best weights P, M snapshots MP and 2MP in the network that answers for
    them; the final weights (1 + M)P. Within a step come copies of the weights and a batch's
    activations, whose memory the process keeps; at the end a second program, which measures the
    final weights. Peaks measured on networks from 11 to 264,705 weights are 0.4 to 1.0 of this.
    """
    layout = max(
        (
            lay_out(trial.network, outline.shape, outline.outputs, trial.regularization)
            for trial in _different(trials)
        ),
        key=lambda layout: layout.parameters,
    )
    members = max(
        (
            settings.members
            for settings in (trial.regularization.snapshot_ensemble for trial in trials)
            if settings is not None
        ),
        default=0,
    )
    needs, restores = _needs(trials)
    served = 1 + members
    program = 2 + _moments(trials) + needs.kept + bool(needs.kept) + 3 * members + restores * served
    step = (SOLVER_COPIES if _is_solved(trials[0]) else STEP_COPIES) + needs.step
    numbers = (2 * program + served + step) * layout.parameters
    return DOCUMENTS + FLOAT * (numbers + _batch(trials[0], outline, layout, needs.activations))


def _different(trials: Sequence[Trial]) -> list[Trial]:
    """One of each kind of network that techniques make."""
    found: dict[object, Trial] = {}
    for trial in trials:
        r = trial.regularization
        kind = (r.batch_norm is None, r.layer_norm is None, r.shake_shake is None)
        found.setdefault((trial.network, kind), trial)
    return list(found.values())


def _needs(trials: Sequence[Trial]) -> tuple[Memory, bool]:
    """What the techniques of a fleet need, and whether any trial wants its best weights back.

    A technique is computed for all trials together, so the one that needs most of it counts.
    """
    needs: dict[type[Technique], Memory] = {}
    restores = False
    for trial in trials:
        for _, technique in trial.regularization.techniques():
            needs[type(technique)] = technique.memory().at_least(needs.get(type(technique)))
            restores |= isinstance(technique, EarlyStopping) and technique.restore_best
    return Memory.total(needs.values()), restores


def _is_solved(trial: Trial) -> bool:
    return isinstance(trial.training.optimizer, SolverSpec)


def _moments(trials: Sequence[Trial]) -> int:
    """Copies of the weights that the optimizer remembers; a solver's two are in float64."""
    optimizers = [trial.training.optimizer for trial in trials]
    if isinstance(optimizers[0], SolverSpec):
        return 4
    if isinstance(optimizers[0], SgdSpec):
        return int(any(isinstance(each, SgdSpec) and each.momentum for each in optimizers))
    return 2


def _batch(trial: Trial, outline: Outline, layout: Layout, more: int) -> int:
    """Numbers of one batch on the way forth and back."""
    train = outline.train_rows[trial.fold or 0]
    if _is_solved(trial):
        return SOLVER_SCORES * train * outline.outputs
    rows = min(trial.training.batch_size, train)
    return rows * ((ACTIVATION_COPIES + more) * layout.units + 2 * outline.inputs)


def parts(configurations: Sequence[int], most: int) -> Iterator[slice]:
    """Cut trials, given by their configurations' numbers, into fleets of at most ``most``.

    The members of a configuration stay together, unless they are more than that.
    """
    start = 0
    while start < len(configurations):
        end = min(start + most, len(configurations))
        if end < len(configurations):
            whole = end
            while whole > start and configurations[whole] == configurations[whole - 1]:
                whole -= 1
            end = whole if whole > start else end
        yield slice(start, end)
        start = end
