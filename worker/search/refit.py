"""A job's winner is trained once more, on the rows that chose it as well, and that is served.

A configuration that was chosen has been measured: by folds, or on validation rows. What was
measured need not be what answers. After a cross-validation every fold's network has seen a part of
the rows only, and none of them stands for the configuration; without folds the validation rows have
done their work. So the winner is trained once more on all of them together. Test rows, if there are
any, stay aside. Such a trial has no validation rows: its estimate is that of its configuration,
the mean over repeats and folds, and what it is measured on itself are the test rows.

Early stopping has nothing to watch there: on training rows it would hardly ever stop. A winner that
stops early is trained for as many epochs as its trials kept, the mean of the epochs whose weights
they ended with, rounded, and does not stop; its schedules span these epochs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.data import Outline
from worker.errors import SpecError
from worker.regularization.families import Stopping
from worker.search.cost import FleetCost
from worker.search.plan import FleetPlan, check_against, group
from worker.search.space import LONGEST_NAME
from worker.spec import JobSpec, PartRows, Trial
from worker.statistics import mean

REFITS, CHEAP = 5, 0.1
"""How often a search's winner is trained once more at most, and the share that this may add."""
REFITTED, REFITTED_REFERENCE = "refitted", "unregularized, refitted"
"""What the names of refits add to those of their configurations."""


@dataclass(frozen=True)
class Chosen:
    """A configuration that is to be trained once more."""

    configuration: Trial
    best_epochs: Sequence[int] = ()
    """The epochs whose weights its trials ended with."""


def resolve_refit(spec: JobSpec, outline: Outline) -> JobSpec:
    """The job with `refit` written out: true with folds unless it says otherwise, else false.

    Raises:
        SpecError: a refit is asked for, and there are no validation rows that it would add.
    """
    asked = spec.refit if spec.search is None else spec.search.refit
    if asked is None:
        asked = spec.refit
    spec = _with_ensemble(spec, outline)
    together = spec.ensembles
    if asked is None and together is not None and together.method != "auto":
        asked = False
    if asked and not all(outline.validation_rows):
        own = spec.search is not None and spec.search.refit is not None
        raise SpecError(
            "A refit trains on training and validation rows together, and there are no validation "
            f"rows; {without_validation_remedy(spec)}, or leave refit out.",
            param="search.refit" if own else "refit",
        )
    wanted = spec.split.folds is not None if asked is None else asked
    changes: dict[str, object] = {"refit": wanted}
    if spec.search is not None:
        changes["search"] = spec.search.model_copy(update={"refit": wanted})
    return spec.model_copy(update=changes)


def resolve_refit_repeats(
    spec: JobSpec, outline: Outline, configurations: Sequence[Trial], *, seconds: float, trials: int
) -> JobSpec:
    """The search with `refit_repeats` written out: unless it says otherwise up to 5, as many as are
    cheap.

    Args:
        spec: the job, with `refit` written out.
        outline: of its data.
        configurations: some of the search.
        seconds: what the search takes without its refits, by the same formula.
        trials: how many it has.
    """
    search = spec.search
    if search is None or not spec.refits or search.refit_repeats is not None:
        return spec

    def repeated(count: int) -> JobSpec:
        changes = {"search": search.model_copy(update={"refit_repeats": count})}
        return spec.model_copy(update=changes)

    def costs(one: JobSpec) -> tuple[float, int]:
        fleets = refit_costs(one, outline, configurations)
        return sum(fleet.seconds for fleet in fleets), sum(fleet.trials for fleet in fleets)

    once = repeated(spec.repeats)
    least, fewest = costs(once)
    for count in range(REFITS, spec.repeats, -1):
        often = repeated(count)
        more_seconds, more_trials = costs(often)
        if more_seconds - least <= CHEAP * seconds and more_trials - fewest <= CHEAP * trials:
            return often
    return once


def can_be_ensemble(spec: JobSpec) -> bool:
    """Whether networks of a job may answer together: not those of another loss, or an offset."""
    return spec.loss is None and spec.offset is None


def _with_ensemble(spec: JobSpec, outline: Outline) -> JobSpec:
    """The job with what answers together said in its search as well, where it has one.

    Raises:
        SpecError: there are no rows that may choose.
    """
    together = spec.ensemble
    if spec.search is not None:
        together = together if spec.search.ensemble is None else spec.search.ensemble
    if together is None:
        return spec
    own = spec.search is not None and spec.search.ensemble is not None
    if not all(outline.validation_rows):
        raise SpecError(
            "The networks of an ensemble are calibrated and chosen on validation rows, and there "
            f"are none; {without_validation_remedy(spec)}, or leave ensemble out.",
            param="search.ensemble" if own else "ensemble",
        )
    if together.method == "folds" and spec.split.folds is None and spec.repeats < 2:
        raise SpecError(
            "There is one network of each configuration: set split.folds, or repeats, for several "
            "that could answer together.",
            param="search.ensemble.method" if own else "ensemble.method",
        )
    if not can_be_ensemble(spec):
        raise SpecError(
            "What answers together is chosen by log loss or squared error, without an offset; "
            "leave ensemble out, or training.loss and offset.",
            param="search.ensemble" if own else "ensemble",
        )
    changes: dict[str, object] = {"ensemble": together}
    if spec.search is not None:
        changes["search"] = spec.search.model_copy(update={"ensemble": together})
    return spec.model_copy(update=changes)


def without_validation_remedy(spec: JobSpec) -> str:
    """How a job without validation rows gets some."""
    if isinstance(spec.split.rows, PartRows):
        return "name some in split.rows.validation"
    return "set split.validation above 0 (0.2 is usual), or split.folds"


def refit(
    spec: JobSpec, outline: Outline, chosen: Sequence[Chosen], *, first: int
) -> list[FleetPlan]:
    """The fleets that refit some configurations, each as often as the job says.

    Args:
        spec: the job.
        outline: of its data, as it was split before.
        chosen: the configurations; the winner first.
        first: the number of the first refit, above all numbers of the job.
    """
    rows = refit_outline(outline)
    trials = [
        whole.model_copy(
            update={
                "name": _name(whole.name, REFITTED_REFERENCE if place else REFITTED),
                "configuration": first + place,
                "repeat": repeat,
                "refit": choice.configuration.configuration,
                "training": whole.training.model_copy(
                    update={"seed": (whole.training.seed + repeat) % 2**32}
                ),
            }
        )
        for place, choice in enumerate(chosen)
        for whole in [_without_stopping(choice, rows)]
        for repeat in range(spec.refit_repeats)
    ]
    return group(trials, rows)


def _without_stopping(chosen: Chosen, outline: Outline) -> Trial:
    """The configuration for a fixed number of epochs, where it used to stop early."""
    whole = chosen.configuration
    stopping = [
        name
        for name, technique in whole.regularization.techniques()
        if isinstance(technique, Stopping)
    ]
    if not stopping:
        return whole
    lasting = whole.model_copy(
        update={"regularization": whole.regularization.model_copy(update=dict.fromkeys(stopping))}
    )
    if not chosen.best_epochs:
        return lasting
    epochs = min(max(1, round(mean(chosen.best_epochs))), whole.training.epochs)
    shorter = lasting.model_copy(
        update={"training": whole.training.model_copy(update={"epochs": epochs})}
    )
    try:
        check_against(outline, shorter)
    except SpecError:  # such as an ensemble that needs more epochs for its members
        return lasting
    return shorter


def refit_outline(outline: Outline) -> Outline:
    """What is known of the rows of a refit: one split, and none left to validate on."""
    # In the order of time the last fold has most rows; else each has as many.
    both = max(map(sum, zip(outline.train_rows, outline.validation_rows, strict=True)))
    return replace(
        outline,
        train_rows=(both,),
        validation_rows=(0,),
        test_rows=outline.test_rows[:1],
        folds=0,
    )


def refit_costs(
    spec: JobSpec, outline: Outline, configurations: Sequence[Trial]
) -> list[FleetCost]:
    """Of the refit of the costliest of these, since the winner is not known yet; none without one.

    With `references` the network without techniques is trained beside it.
    """
    if not spec.refits:
        return []
    rows = refit_outline(outline)
    different = {
        (trial.network, trial.training, type(trial.training.optimizer)): trial
        for trial in configurations
    }
    every = [
        FleetCost.of([trial.model_copy(update={"fold": None})], rows, size=spec.refit_repeats)
        for trial in different.values()
    ]
    costliest = max(every, key=lambda fleet: fleet.seconds)
    references = spec.search is not None and spec.search.references
    return [costliest] * (2 if references else 1)


def _name(name: str, role: str) -> str:
    """Both within the length that names may have."""
    room = LONGEST_NAME - len(role) - len(" ()")
    return f"{name if len(name) <= room else f'{name[: room - 1]}…'} ({role})"
