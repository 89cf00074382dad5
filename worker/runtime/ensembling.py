"""The last fleet of a job looks for what answers best together, and writes its file.

The files of all fleets are read, one after another: once for what their networks say of the rows
that may choose, of which scores alone are kept, and once more for the networks of those that were
chosen. Imports torch: for trainer processes only.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import select

from worker.appraisal import (
    MOST_SCORES,
    Contender,
    Library,
    Servable,
    TrainedTrial,
    choose_served,
    chosen_scores,
    chosen_threshold,
    held_out,
    joint_uncertainty,
    measured,
    members_of,
    servables,
)
from worker.data import Prepared
from worker.failpoints import failpoint
from worker.jobs import Ended
from worker.metrics import definition
from worker.models import EnsembleMember, ModelFile, TrainedModel, certify, join_members
from worker.results import Choice, Ensemble, Group, Part, TrialResult, UncertaintyReport
from worker.spec import JobSpec, LinearSpec, Trial
from worker.storage import queries
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.fleets import Lease, ResultFile, hold
from worker.storage.states import State
from worker.storage.tables import Fleet, TrialRow

logger = logging.getLogger(__name__)

ENSEMBLE = "ensemble.safetensors"
MOST_CANDIDATES = 1024
"""Configurations that are looked at, the best."""
FEWEST_ROWS, MOST_ROWS = 1_000, 20_000
"""Rows that choose at least, however many configurations there are, and at most."""
UNREGULARIZED = 0
"""The number of the configuration with all techniques off, in a search with references."""


@dataclass(frozen=True)
class Together:
    """What is said of the ensembles of a job, and the file of that which is served."""

    choice: Choice
    ensemble: Ensemble | None = None
    uncertainty: UncertaintyReport | None = None
    file: ResultFile | None = None


@dataclass(frozen=True, eq=False)
class PreparedTwice:
    """A job's data, read when they are asked for."""

    measured: Callable[[], Prepared]
    """As the trials were trained and measured that are no refits."""
    whole: Callable[[], Prepared]
    """As its refits were."""


@dataclass(frozen=True, eq=False)
class _Place:
    """A trial that succeeded, and where its network is."""

    trial: Trial
    fleet: str
    position: int

    @property
    def configuration(self) -> int:
        """That which it trains, or trains once more."""
        return self.trial.configuration if self.trial.refit is None else self.trial.refit


@dataclass(frozen=True, eq=False)
class FleetFiles:
    """The model files of a job's fleets; that of the fleet that ends is in memory."""

    artefacts: Artefacts
    stored: dict[str, tuple[str, str]]
    own: tuple[str, ModelFile | None]

    def read(self, fleet: str) -> ModelFile:
        """A fleet's file.

        Raises:
            UnavailableError: it cannot be read now.
        """
        if fleet == self.own[0] and self.own[1] is not None:
            return self.own[1]
        return ModelFile.load(self.artefacts.read(*self.stored[fleet]))


def join_networks(
    database: Database,
    artefacts: Artefacts,
    lease: Lease,
    ended: Ended,
    own: tuple[Sequence[TrialResult], ModelFile | None],
    data: PreparedTwice,
    spec: JobSpec,
    objective: str,
) -> Together | None:
    """What the networks of a job answer together; none where it does not ask for it, or where
    nothing of it can answer.

    Raises:
        UnavailableError: a file cannot be read or written now.
    """
    asked = spec.ensembles
    if asked is None:
        return None
    results, own_file = own
    groups = {group.number: group for group in _looked_at(ended.groups)}
    places, refits, stored = _places(database, lease, list(groups), results)
    files = FleetFiles(artefacts, stored, (lease.fleet_id, own_file))
    prepared = data.measured()
    library = _library(files, places, prepared, groups, objective)
    references = spec.search is not None and spec.search.references
    candidates = servables(
        library,
        size=asked.size,
        winner=ended.winner,
        unregularized=UNREGULARIZED if references else _plain(places),
        refits=_refits(spec),
    )
    if not candidates:
        return None
    chosen, choice = choose_served(
        library, candidates, None if asked.method == "auto" else asked.method
    )
    if chosen.method == "winner" and chosen.networks == 1:
        return Together(choice)
    again = spec.refits and chosen.alone
    if again:
        places, prepared = (
            [one for one in refits if one.configuration in chosen.shares],
            data.whole(),
        )
    networks = _networks(files, library, chosen, places)
    if not networks:
        return Together(choice)
    file = _with_threshold(join_members(networks), library, chosen, spec)
    model = TrainedModel.of_ensemble(file)
    failed = [check for check in certify(model).checks if not check.passed]
    if failed:  # what would not be served is not registered
        logger.warning("the ensemble of job %s is no model: %s", lease.job_id, failed)
        return Together(choice)
    ensemble = measured(library, prepared, chosen, model)
    sure = joint_uncertainty(library, chosen, model, prepared, again=again)
    if sure is not None:
        file = file.with_calibration(sure.kept)
    return Together(
        choice,
        ensemble,
        None if sure is None else sure.report,
        _stored(artefacts, lease, file),
    )


def _with_threshold(
    file: ModelFile, library: Library, chosen: Servable, spec: JobSpec
) -> ModelFile:
    """The ensemble with the threshold that the job asks for, chosen on the rows that may choose."""
    scores = chosen_scores(library, chosen, TrainedModel.of_ensemble(file))
    threshold = chosen_threshold(library, scores, spec.threshold)
    if threshold is None:
        return file
    manifest = file.manifest.model_copy(update={"thresholds": [threshold]})
    return ModelFile(file.tensors, manifest)


def _stored(artefacts: Artefacts, lease: Lease, file: ModelFile) -> ResultFile:
    failpoint("ensemble.before")
    written = artefacts.write(
        f"jobs/{lease.job_id}/{lease.fleet_id}/ensemble", {ENSEMBLE: file.dump()}
    )
    failpoint("ensemble.written")
    entry = written.files[ENSEMBLE]
    return ResultFile(path=written.file(ENSEMBLE), sha256=entry.sha256, bytes=entry.bytes)


def _library(
    files: FleetFiles,
    places: Sequence[_Place],
    prepared: Prepared,
    groups: Mapping[int, Group],
    objective: str,
) -> Library:
    """What all configurations say of the rows that may choose; of very many rows some are drawn,
    so that all scores fit.
    """
    folds = len(prepared.splits)
    answers = max(1, -(-len(places) // folds)) * prepared.target.outputs
    part: Part = "out_of_fold" if folds > 1 else "validation"
    most = min(max(FEWEST_ROWS, MOST_SCORES // answers), MOST_ROWS)
    held = held_out(prepared, part, most=most)
    library = Library(held, balanced=_is_balanced(objective))
    halved = [number for number, group in groups.items() if group.halved]
    for contenders in _contenders(files, places):
        library.add(contenders, halved=halved)
    return library


def _looked_at(groups: Sequence[Group]) -> list[Group]:
    """The configurations of which every trial has a finite objective, the best of them."""
    whole = [group for group in groups if group.rank.wins and not group.missing]
    return sorted(whole, key=lambda group: group.rank)[:MOST_CANDIDATES]


def _refits(spec: JobSpec) -> int:
    """How many networks of a refit may answer together: of a linear model, whose penalized loss has
    one minimum, the first says it all.
    """
    if not spec.refits:
        return 0
    return 1 if isinstance(spec.network, LinearSpec) else spec.refit_repeats


def _is_balanced(objective: str) -> bool:
    """Whether the objective lets all classes weigh the same."""
    metric = definition(objective)
    return metric is not None and metric.name == "balanced_accuracy"


def _places(
    database: Database, lease: Lease, numbers: Sequence[int], results: Sequence[TrialResult]
) -> tuple[list[_Place], list[_Place], dict[str, tuple[str, str]]]:
    """The trials of some configurations that succeeded, the job's refits, and fleets' files."""

    def place(row: TrialRow) -> _Place | None:
        done = row.state == State.SUCCEEDED
        if row.fleet_id == lease.fleet_id and results:
            done = results[row.position].state == "succeeded"
        if not done:
            return None
        settings = Trial.model_validate_json(orjson.dumps(row.settings))
        return _Place(settings, row.fleet_id, row.position)

    with database.read() as session:
        job, _ = hold(session, lease)
        rows = queries.trials_of(session, job, numbers)
        again = session.scalars(
            select(TrialRow)
            .where(TrialRow.job_id == job.id, TrialRow.settings["refit"].as_integer().is_not(None))
            .order_by(TrialRow.configuration, TrialRow.repeat)
        )
        places = [one for row in rows if (one := place(row)) is not None]
        refits = [one for row in again if (one := place(row)) is not None]
        stored = {
            fleet: (path, sha256)
            for fleet, path, sha256 in session.execute(
                select(Fleet.id, Fleet.result_path, Fleet.result_sha256).where(
                    Fleet.job_id == job.id
                )
            )
            if path is not None and sha256 is not None
        }
    return places, refits, stored


def _contenders(files: FleetFiles, places: Sequence[_Place]) -> Iterator[list[Contender]]:
    """The configurations, as soon as all their networks were read; fleet by fleet."""
    by_fleet: dict[str, list[_Place]] = {}
    left: dict[int, set[str]] = {}
    for place in places:
        by_fleet.setdefault(place.fleet, []).append(place)
        left.setdefault(place.trial.configuration, set()).add(place.fleet)
    waiting: dict[int, list[TrainedTrial]] = {}
    for fleet, own in by_fleet.items():
        file = files.read(fleet)
        ready = []
        for place in own:
            number = place.trial.configuration
            one = TrainedTrial(place.trial, {}, file, place.position)
            waiting.setdefault(number, []).append(one)
        for number in dict.fromkeys(place.trial.configuration for place in own):
            left[number].discard(fleet)
            if not left[number]:
                trials = waiting.pop(number)
                trials.sort(key=lambda one: (one.trial.repeat, one.trial.fold or 0))
                ready.append(Contender(number, trials[0].trial.name, trials))
        yield ready


def _plain(places: Sequence[_Place]) -> int | None:
    """The configuration without techniques, where one was posted: class weights are none."""
    for place in places:
        if not {name for name, _ in place.trial.regularization.techniques()} - {"class_weights"}:
            return place.configuration
    return None


def _networks(
    files: FleetFiles, library: Library, chosen: Servable, places: Sequence[_Place]
) -> list[EnsembleMember]:
    """The networks that were chosen, with their shares; of what answers alone the first."""
    shares = members_of(library, chosen)
    wanted = [place for place in places if place.configuration in shares]
    wanted = wanted[: chosen.networks] if chosen.alone else wanted
    counts = Counter(place.configuration for place in wanted)
    taken: dict[int, EnsembleMember] = {}
    for fleet in dict.fromkeys(place.fleet for place in wanted):
        file = files.read(fleet)
        for order, place in enumerate(wanted):
            if place.fleet != fleet:
                continue
            share, temperature = shares[place.configuration]
            taken[order] = EnsembleMember.of(
                file,
                place.position,
                weight=share / counts[place.configuration],
                temperature=temperature,
            )
    return [taken[order] for order in sorted(taken)]
