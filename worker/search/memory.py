"""What a fleet takes in memory, by formula: it cuts fleets, and it makes the estimate."""

from collections.abc import Iterable, Sequence

from worker.data import Outline
from worker.networks import Layout, by_hand, lay_out
from worker.regularization import EarlyStopping, Memory, Technique
from worker.spec import CnnSpec, MlpSpec, SgdSpec, SolverSpec, Trial

FLEET_MEMORY = 2**30
"""Bytes that one fleet's tensors may take unless said otherwise."""
FLOAT = 4
DOCUMENTS = 16 * 2**10
"""Bytes of a trial's settings, epochs and report, as objects and as JSON."""
STEP_COPIES = 5
"""Copies of the weights within a step: gradients by layer and the update. Techniques say theirs."""
ACTIVATION_COPIES, BY_HAND_COPIES, MAP_COPIES = 9, 3, 4
"""Numbers for each activation of a batch on the way forth and back: by autograd, by hand, and of
convolutions, which keep their inputs alone."""
KEPT_COPIES = 3
"""By hand as many more where a layer's numbers are kept beside what it makes of them: by
normalization, and by an activation that is not computed in place."""
IN_PLACE = ("relu",)
"""The activations that are."""
ROW_NUMBERS = 64
"""For each row of a batch: its number, target, loss and slope, and what lies between them."""
ORDER = 4
"""Bytes of a training row's place in the order of a seed and fold, which trials share."""
SOLVER_COPIES, SOLVER_SCORES = 14, 10
"""Copies of the weights and of all rows' scores within an iteration of a solver, in float64."""


def largest_fleet(trials: Sequence[Trial], outline: Outline, memory: int = FLEET_MEMORY) -> int:
    """How many trials such as these fit one fleet of ``memory`` bytes; at least one."""
    each, order = bytes_per_trial(trials, outline), bytes_per_order(trials, outline)
    orders = len(batch_orders(trials))
    # Either all orders are there, or each trial has one of its own.
    fitting = max((memory - orders * order) // each, memory // (each + order))
    return max(1, fitting)


def batch_orders(trials: Iterable[Trial]) -> set[tuple[int, int | None]]:
    """Seed and fold of each order that the batches of these trials are taken in."""
    return {(trial.training.seed, trial.fold) for trial in trials}


def bytes_per_order(trials: Sequence[Trial], outline: Outline) -> int:
    """What the order of a seed and fold takes."""
    return ORDER * outline.train_rows[trials[0].fold or 0]


def bytes_per_trial(trials: Sequence[Trial], outline: Outline) -> int:
    """The most that each trial of a fleet takes at a time, by formula; beside it there are the data
    and the orders of batches.

    The trials are of one structure. What one of them needs is stored for all: with P weights,
    weights and gradient are 2P numbers, Adam's moments 2P, each kind of average P and one P for
    what is served, the best weights P, M snapshots MP and 2MP in the network that answers for
    them; the final weights (1 + M)P. Within a step come copies of the weights and a batch's
    activations, whose memory the process keeps; a checkpoint is a copy of what changes while it
    trains; at the end a second program measures the final weights. `benchmarks/memory.py` has it
    beside what trainers take.
    """
    layout = max(
        (
            lay_out(
                trial.network,
                outline.shape,
                outline.outputs,
                trial.regularization,
                outline.number_inputs,
            )
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
    checkpoint = _moments(trials) + needs.kept + (1 + restores) * served + served
    step = (SOLVER_COPIES if _is_solved(trials[0]) else STEP_COPIES) + needs.step
    numbers = (2 * program + served + step + checkpoint) * layout.parameters
    return DOCUMENTS + FLOAT * (numbers + _batch(trials, outline, layout, needs.activations))


def _different(trials: Sequence[Trial]) -> list[Trial]:
    """One of each kind of network that techniques make."""
    different: dict[object, Trial] = {}
    for trial in trials:
        r = trial.regularization
        kind = (r.batch_norm is None, r.layer_norm is None, r.shake_shake is None)
        different.setdefault((trial.network.alike, kind), trial)
    return list(different.values())


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
        return int(any(isinstance(o, SgdSpec) and o.momentum for o in optimizers))
    return 2


def _batch(trials: Sequence[Trial], outline: Outline, layout: Layout, more: int) -> int:
    """Numbers of one batch on the way forth and back."""
    first = trials[0]
    train = outline.train_rows[first.fold or 0]
    if _is_solved(first):
        return SOLVER_SCORES * train * outline.outputs
    rows = min(first.training.batch_size, train)
    return rows * ((_copies(trials) + more) * layout.units + 2 * outline.inputs + ROW_NUMBERS)


def _copies(trials: Sequence[Trial]) -> int:
    network = trials[0].network
    if isinstance(network, CnnSpec):
        return MAP_COPIES
    if not isinstance(network, MlpSpec) or not by_hand(trials[0]):
        return ACTIVATION_COPIES
    is_kept = network.activation not in IN_PLACE
    for r in (trial.regularization for trial in trials):
        is_kept |= r.batch_norm is not None or r.layer_norm is not None
    return BY_HAND_COPIES + KEPT_COPIES * is_kept
