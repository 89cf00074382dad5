"""Configurations compared, from the rows of their trials: repeats and folds, and attribution."""

from collections.abc import Mapping, Sequence

import orjson

from service.schemas.results import Report
from service.search_report import refits_of
from service.views import network_report
from worker.advice import equivalents
from worker.results import (
    UNSCORED,
    Attribution,
    ConfigurationReport,
    Equivalent,
    Pair,
    Rank,
    SearchReport,
    SparsityReport,
    caveat,
    competes,
    effects,
    rank,
    spreads,
)
from worker.spec import Preprocessing, Trial
from worker.storage import queries
from worker.storage.states import State
from worker.storage.tables import Job, TrialRow


def report_of(job: Job, trials: Sequence[TrialRow], search: SearchReport | None = None) -> Report:
    """Final metrics, what is left of the networks, and what each technique bought."""
    groups = _groups(trials)
    preprocessing = Preprocessing.model_validate(job.spec.get("preprocessing") or {})
    configurations = []
    for entry in _ranked(job, groups):
        of_it = groups[entry.configuration]
        more = {"network": _network(of_it), "equivalents": _equivalents(of_it, preprocessing)}
        configurations.append(entry.model_copy(update=more))
    return Report(
        verdict=None if job.appraisal is None else job.appraisal.verdict,
        appraisal=job.appraisal,
        job=job.id,
        objective=job.objective,
        maximize=job.maximize,
        configurations=configurations,
        attribution=attributions(job, groups),
        refits=search.refits if search is not None else refits_of(queries.by_refitted(trials)),
        search=search,
    )


def ranked(job: Job, trials: Sequence[TrialRow]) -> list[list[TrialRow]]:
    """The trials of each configuration, its repeats and folds, in the order of the ranking."""
    groups = _groups(trials)
    return [groups[entry.configuration] for entry in _ranked(job, groups)]


def _ranked(job: Job, groups: Mapping[int, Sequence[TrialRow]]) -> list[ConfigurationReport]:
    order = sorted(groups, key=lambda number: _rank(number, groups[number], job))
    return [_entry(number, groups[number]) for number in order]


def _rank(number: int, trials: Sequence[TrialRow], job: Job) -> Rank:
    scores = [trial.score for trial in trials if trial.score < UNSCORED]
    return rank(
        number,
        scores,
        missing=len(trials) - len(scores),
        halved=any(trial.halved_at is not None for trial in trials),
        competes=competes(trials[0].settings),
    )


def _network(trials: Sequence[TrialRow]) -> SparsityReport | None:
    """Of the first that has one: trials come best first."""
    return next((report for trial in trials if (report := network_report(trial))), None)


def _equivalents(trials: Sequence[TrialRow], preprocessing: Preprocessing) -> list[Equivalent]:
    """Of the first that was fitted: trials come best first."""
    for trial in trials:
        if trial.report is not None and trial.report.fitted is not None:
            settings = Trial.model_validate_json(orjson.dumps(trial.settings))
            return equivalents(settings, preprocessing, trial.report.fitted)
    return []


def _groups(trials: Sequence[TrialRow]) -> dict[int, list[TrialRow]]:
    """By configuration, without those that train a winner once more."""
    groups: dict[int, list[TrialRow]] = {}
    for trial in sorted(trials, key=lambda trial: trial.configuration):
        if trial.settings.get("refit") is None:
            groups.setdefault(trial.configuration, []).append(trial)
    return groups


def _entry(number: int, trials: Sequence[TrialRow]) -> ConfigurationReport:
    succeeded = [trial.metrics for trial in trials if trial.state == State.SUCCEEDED]
    return ConfigurationReport(
        configuration=number,
        name=trials[0].name,
        without=(trials[0].settings.get("without") or {}).get("technique"),
        trials=len(trials),
        succeeded=len(succeeded),
        failed=sum(trial.state == State.FAILED for trial in trials),
        metrics=spreads(succeeded),
        equivalents=[],
    )


def attributions(job: Job, groups: Mapping[int, Sequence[TrialRow]]) -> list[Attribution]:
    """One entry for each technique left out, in the order of the configurations."""
    entries = []
    for number, without_it in groups.items():
        left_out = without_it[0].settings.get("without")
        if left_out is None:
            continue
        whole = groups[left_out["configuration"]]
        pairs = _pairs(whole, without_it)
        entries.append(
            Attribution(
                configuration=left_out["configuration"],
                name=whole[0].name,
                technique=left_out["technique"],
                without=number,
                effects=effects(pairs, job.objective, maximize=job.maximize),
                note=caveat(len(pairs), folds=any(trial.fold is not None for trial in whole)),
            )
        )
    return entries


def _pairs(whole: Sequence[TrialRow], without_it: Sequence[TrialRow]) -> list[Pair]:
    """Metrics with and without, of the repeats and folds that succeeded in both."""
    succeeded = {
        (trial.repeat, trial.fold): trial for trial in whole if trial.state == State.SUCCEEDED
    }
    return [
        (succeeded[place].metrics, trial.metrics)
        for trial in without_it
        if trial.state == State.SUCCEEDED and (place := (trial.repeat, trial.fold)) in succeeded
    ]
