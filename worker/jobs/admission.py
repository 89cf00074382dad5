"""Admission: a job that costs more than this service takes is refused before it is made.

The limits are settings. What can be told from the specification alone is refused before its data
are read: the product of trials, the copies of rows, and where the number of rows is known the
steps. What the network and the data decide is refused before fleets are planned.
"""

from math import floor, prod

from worker.data import Outline
from worker.errors import SpecError
from worker.jobs.memory import has_gpu, job_memory
from worker.networks import lay_out
from worker.search import (
    Cost,
    comparison_trials,
    fewest_parameters,
    posted_configurations,
    replica_count,
    steps_of,
)
from worker.settings import ServiceSettings
from worker.spec import Builtin, FoldColumn, JobSpec, Range, SearchSpec, Trial, Values

GIB = 2**30
DECIDING_STEPS = (
    "training.epochs",
    "training.batch_size",
    "training.optimizer.kind",
    "training.optimizer.iterations",
)


class LimitExceededError(SpecError):
    """A job costs more than this service takes. It names the number, the limit and the setting."""

    code = "limit_exceeded"


class Admission:
    """What a job may cost here."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._memory = job_memory(settings)
        self._knows_pace = not has_gpu(settings)

    def admit_size(self, spec: JobSpec, rows: int | None) -> None:
        """Refuse what is too much whatever the data hold.

        ``rows`` are those of the data set, where they are known without reading it.

        Raises:
            LimitExceededError: too many trials, copies of rows or steps.
        """
        trials = asked_trials(spec)
        if trials is not None:
            self.admit_trials(spec, trials)
        folds = spec.split.fold_count or 1
        if rows is not None and rows * folds > self._settings.max_job_rows:
            raise self._exceeded(
                "rows",
                rows * folds,
                self._settings.max_job_rows,
                f"{rows:,} rows in {folds} fold(s) are {rows * folds:,} rows to encode",
                "Ask for fewer folds, or use fewer rows",
                "split.folds" if folds > 1 else "dataset",
            )
        halved = spec.search is not None and spec.search.method == "halving"  # few train to the end
        if trials is None or halved or not _keeps_its_steps(spec.search):
            return
        posted = posted_configurations(spec)
        # Rows of an uploaded table may have no target, and then they do not train.
        known = rows is not None and isinstance(spec.dataset, Builtin) and spec.split.rows is None
        train = _fewest_training_rows(spec, rows) if known and rows is not None else 1
        self._admit_steps(trials // len(posted) * steps_of(posted, train), at_least=not known)

    def admit_network(self, configuration: Trial, outline: Outline) -> None:
        """Refuse a network that is too large.

        Raises:
            LimitExceededError: it has too many parameters.
        """
        limit = self._settings.max_job_parameters
        if fewest_parameters(configuration.network) > limit:
            layout = lay_out(
                configuration.network,
                outline.shape,
                outline.outputs,
                configuration.regularization,
                outline.number_inputs,
            )
            self._admit_parameters(layout.parameters)

    def admit_cost(self, spec: JobSpec, cost: Cost) -> None:
        """Refuse what is too much on its data.

        Raises:
            LimitExceededError: too many trials, parameters, bytes, steps or seconds.
        """
        self._admit_parameters(cost.parameters)
        if cost.bytes > self._memory:
            raise self._exceeded(
                "bytes",
                cost.bytes,
                self._memory,
                f"Its largest fleet would hold {cost.bytes:,} bytes ({cost.bytes / GIB:.1f} GiB)",
                "Use a smaller network, a smaller batch_size, or fewer rows or folds",
                "network",
            )
        budget = None if spec.search is None else spec.search.budget_seconds
        if budget is None or (spec.search is not None and spec.search.trials is not None):
            self.admit_trials(spec, cost.trials - cost.refits)
        seconds = cost.seconds
        if budget is None:
            self._admit_steps(cost.steps)
        else:
            seconds = min(seconds, budget)
        if self._knows_pace and seconds > self._settings.max_job_seconds:
            raise self._exceeded(
                "seconds",
                float(f"{seconds:.3g}"),
                self._settings.max_job_seconds,
                f"It would train for about {float(f'{seconds:.3g}'):,.0f} seconds "
                f"({seconds / 86_400:,.1f} days)",
                "Ask for fewer trials or epochs, a larger batch_size, a smaller network or a "
                "smaller budget",
                "training.epochs" if budget is None else "search.budget_seconds",
            )

    def admit_trials(self, spec: JobSpec, trials: int) -> None:
        """Refuse too many trials; ``LimitExceededError``."""
        limit = self._settings.max_job_trials
        if trials <= limit:
            return
        folds = spec.split.fold_count or 1
        configurations = trials // replica_count(spec)
        factors = {
            "compare" if spec.search is None else "search.trials": configurations,
            "repeats": spec.repeats,
            "split.folds": folds,
        }
        raise self._exceeded(
            "trials",
            trials,
            limit,
            f"It has {trials:,} trials: {configurations:,} configuration(s) × {spec.repeats} "
            f"repeat(s) × {folds} fold(s)",
            "Ask for fewer configurations, repeats or folds",
            max(factors, key=lambda field: factors[field]),
        )

    def _admit_parameters(self, parameters: int) -> None:
        limit = self._settings.max_job_parameters
        if parameters > limit:
            raise self._exceeded(
                "parameters",
                parameters,
                limit,
                f"A network of it has {parameters:,} trainable parameters",
                "Use fewer or narrower layers",
                "network",
            )

    def _admit_steps(self, steps: int, *, at_least: bool = False) -> None:
        limit = self._settings.max_job_steps
        if steps > limit:
            raise self._exceeded(
                "steps",
                steps,
                limit,
                f"It has {'at least ' if at_least else ''}{steps:,} training steps: epochs × "
                "batches (or a solver's iterations) × trials",
                "Ask for fewer epochs, iterations or trials, or a larger batch_size",
                "training.epochs",
            )

    def _exceeded(
        self, measure: str, value: float, limit: float, fact: str, remedy: str, param: str
    ) -> LimitExceededError:
        setting = f"PARSIMONY_MAX_JOB_{measure.upper()}"
        return LimitExceededError(
            f"{fact}; this service takes at most {limit:,}. {remedy}; the limit is its setting "
            f"{setting}.",
            param=param,
            measure=measure,
            value=value,
            limit=limit,
            setting=setting,
        )


def asked_trials(spec: JobSpec) -> int | None:
    """Trials of a job, at the least, by its specification alone; none where time ends its search,
    or only the data tell.
    """
    search = spec.search
    if search is None:
        return comparison_trials(spec)
    configurations = _asked_configurations(search)
    return None if configurations is None else configurations * replica_count(spec)


def _asked_configurations(search: SearchSpec) -> int | None:
    if search.method not in ("grid", "path"):
        return search.trials
    if search.method == "path" or not isinstance(search.space, dict) or search.exclusive:
        return None
    # What lies below a switch does not vary where that is off: then there are fewer.
    if any(a.startswith(f"{b}.") for a in search.space for b in search.space):
        return None
    sizes = [
        len(dimension.values)
        for dimension in search.space.values()
        if isinstance(dimension, Values)
    ]
    whole = not any(isinstance(dimension, Range) for dimension in search.space.values())
    count = prod(sizes) if whole else None
    if count is None or search.trials is None:
        return count
    return min(count, search.trials)


def _keeps_its_steps(search: SearchSpec | None) -> bool:
    """Whether all configurations take as many steps as the job says."""
    if search is None or isinstance(search.space, str):
        return True
    return not any(
        f"{path}.".startswith(f"{field}.") or field.startswith(f"{path}.")
        for path in search.space
        for field in DECIDING_STEPS
    )


def _fewest_training_rows(spec: JobSpec, rows: int) -> int:
    """Of ``rows`` with a target, those of the smallest training part."""
    split = spec.split
    if split.columns or isinstance(split.folds, FoldColumn | tuple):
        return 1
    test = _share(rows, split.test)
    if isinstance(split.folds, int):
        return max(1, rows - test - -(-(rows - test) // split.folds))
    return max(1, rows - test - _share(rows, split.validation))


def _share(rows: int, share: float) -> int:
    return max(1, floor(rows * share + 0.5)) if share else 0
