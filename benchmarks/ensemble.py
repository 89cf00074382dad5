"""A search's networks together, on real data: what answers best, and what `auto` would serve.

    python benchmarks/ensemble.py [../shared/data] [--sets vehicle kc1] [--splits 3] [--trials 16]
        [--epochs 60] [--hidden 128 128] [--method random] [--results build/ensemble.jsonl]
    python benchmarks/ensemble.py --table [--results build/ensemble.jsonl]

What the service does for `regularization: auto` with five folds, without the service: draws from
the cocktail's joint space, configuration 0 with all techniques off, each trained on every fold; the
winner by balanced accuracy out of fold; on the same rows the choice among it, the network without
techniques, and ensembles. Test rows, a fifth, are looked at once. The splits are fresh and
stratified, and the same for all.

Compared, by balanced accuracy on the test rows: the network with all techniques off, trained once
more on all rows and as the mean of its folds; the winner likewise; the mean of the best eight, the
greedy selection of 25 and the mean of all configurations; what `auto` chooses; gradient boosting
with balanced class weights, untuned, and the best of eight draws by the same folds.

Each cell (data set, split) is written as a line of JSON when it is done, and is not done again: so
the program may be stopped, and started in pieces. `--table` prints what is there. `--keep` names a
folder for the scores of all networks.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _ensemble_table import AUTO, SETS, lines, show
from _shared import arguments, machine, present
from cocktail import load
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score

from worker.appraisal import (
    Contender,
    Library,
    TrainedTrial,
    choose_served,
    held_out,
    joint_scores,
    servables,
)
from worker.data import Outline, Prepared, Table, prepare
from worker.models import EnsembleMember, TrainedModel, join_members
from worker.results import Group, score_of
from worker.search import (
    Cost,
    Halving,
    Search,
    planned_costs,
    resolve_refit,
    resolve_refit_repeats,
    resolve_search,
)
from worker.spec import JobSpec
from worker.training import FleetRun, tune_processor

FOLDS, TEST = 5, 0.2
TOP, GREEDY = 8, 25
DRAWS = 8
"""Of the search over settings of gradient boosting."""


def job(target: str, options: argparse.Namespace, split: int) -> JobSpec:
    """What a user would post."""
    return JobSpec.model_validate(
        {
            "dataset": "ds_benchmark",
            "target": target,
            "split": {"folds": FOLDS, "test": TEST, "seed": split},
            "network": {"kind": "mlp", "hidden": options.hidden},
            "regularization": "auto",
            "search": {"trials": options.trials, "seed": split, "method": options.method},
            "training": {
                "epochs": options.epochs,
                "batch_size": 128,
                "optimizer": {"kind": "adamw", "learning_rate": 0.001},
                "schedule": {"kind": "cosine", "first_period": options.epochs, "multiplier": 1},
                "seed": split,
            },
        }
    )


def with_refits(spec: JobSpec, outline: Outline) -> JobSpec:
    """The job with its number of refits written out, as when it is posted."""
    found = Search(spec, outline)
    wave = found.wave(0)
    plans = [] if wave is None else wave.plans
    trials = [trial for planned in plans for trial in planned.trials]
    total = found.total * found.replica_count
    alone = Cost.of(planned_costs(plans, outline), total, share=total / len(trials))
    spec = resolve_refit(spec, outline)
    return resolve_refit_repeats(spec, outline, trials, seconds=alone.seconds, trials=total)


def trained(found: Search, prepared: Prepared) -> tuple[list[Contender], list[Group]]:
    """All configurations, trained, with what they came to; refused ones are left out."""
    by_number: dict[int, list[TrainedTrial]] = {}
    groups: dict[int, Group] = {}
    seen: dict[int, dict[int, list[float]]] = {}
    wave = found.wave(0)
    for planned in () if wave is None else wave.plans:
        rule = None
        if found.search.method == "halving":
            rule = Halving(
                [trial.configuration for trial in planned.trials],
                epochs=found.spec.training.epochs,
                min_epochs=found.search.min_epochs,
                eta=found.search.eta,
                objective=found.objective,
                maximize=found.maximize,
                elsewhere=lambda epoch: seen.get(epoch, {}),
            )
        run = FleetRun(planned.trials, prepared, "cpu", rule)
        for report in run.epochs():
            if rule is not None and report.epoch in rule.rungs:
                column = report.metrics[found.objective]
                for trial, value in zip(planned.trials, column, strict=True):
                    if value is not None:
                        at = seen.setdefault(report.epoch, {})
                        at.setdefault(trial.configuration, []).append(value)
        file, changes = run.result(), planned.overrides or ()
        everything = zip(planned.trials, changes, run.results(), strict=True)
        for position, (trial, overrides, result) in enumerate(everything):
            number = trial.configuration
            group = groups.setdefault(number, Group(number, dict(overrides), found.maximize))
            group.trials += 1
            group.halved |= result.halved_at is not None
            score = score_of(result.metrics.get(found.objective), maximize=found.maximize)
            if result.state != "succeeded" or score is None:
                continue
            group.succeeded += 1
            group.scores.append(score)
            if result.best_epoch is not None:
                group.best_epochs.append(result.best_epoch)
            one = TrainedTrial(trial, result.metrics, file, position)
            by_number.setdefault(number, []).append(one)
    contenders = [
        Contender(number, trials[0].trial.name, sorted(trials, key=lambda t: t.trial.fold or 0))
        for number, trials in sorted(by_number.items())
    ]
    return contenders, [groups[number] for number in sorted(groups)]


def refitted(
    found: Search,
    groups: Sequence[Group],
    prepared: Prepared,
    temperatures: Mapping[int, float],
) -> dict[int, tuple[float, float]]:
    """Test balanced accuracy of the winner and all off, each trained once more on all rows: of its
    first refit, and of the mean of all.
    """
    first: dict[int, float] = {}
    members: dict[int, list[EnsembleMember]] = {}
    for planned in found.refits(groups, first=found.total):
        run = FleetRun(planned.trials, prepared)
        for _ in run.epochs():
            pass
        file = run.result()
        for place, (trial, result) in enumerate(zip(planned.trials, run.results(), strict=True)):
            number = trial.refit or 0
            first.setdefault(number, result.metrics.get("test_balanced_accuracy") or 0.0)
            member = EnsembleMember.of(
                file,
                place,
                weight=1 / found.spec.refit_repeats,
                temperature=temperatures.get(number, 1.0),
            )
            members.setdefault(number, []).append(member)

    def together(number: int) -> float:
        return accuracy(TrainedModel.of_ensemble(join_members(members[number])), prepared)

    return {number: (value, together(number)) for number, value in first.items()}


def ensemble(
    contenders: Sequence[Contender], shares: Mapping[int, float], temperatures: Mapping[int, float]
) -> TrainedModel:
    """The model of some configurations, from its file."""
    members = [
        EnsembleMember.of(
            one.file,
            one.position,
            weight=shares[contender.configuration] / len(contender.trials),
            temperature=temperatures[contender.configuration],
        )
        for contender in contenders
        if contender.configuration in shares
        for one in contender.trials
    ]
    return TrainedModel.of_ensemble(join_members(members))


def accuracy(model: TrainedModel, prepared: Prepared) -> float:
    """Balanced accuracy on the test rows."""
    held = held_out(prepared, "test")
    answers = model.read_scores(joint_scores(model, prepared, held))
    return float(balanced_accuracy_score(held.truth, answers.best))


def boosted(prepared: Prepared, seed: int) -> tuple[float, float]:
    """Test balanced accuracy of boosting: untuned, and the best of some draws by the folds."""
    rng, y = np.random.default_rng(seed), prepared.y[0]
    test = prepared.splits[0].test
    whole = np.sort(np.concatenate([prepared.splits[0].train, prepared.splits[0].validation]))

    def fit(settings: Mapping[str, Any], rows: NDArray[Any], on: NDArray[Any], fold: int) -> float:
        model = HistGradientBoostingClassifier(
            class_weight="balanced", random_state=seed, **settings
        ).fit(prepared.x[fold][rows], y[rows])
        return float(balanced_accuracy_score(y[on], model.predict(prepared.x[fold][on])))

    draws: list[dict[str, Any]] = [{}]
    for _ in range(DRAWS - 1):
        draws.append(
            {
                "learning_rate": float(np.exp(rng.uniform(np.log(0.01), np.log(0.3)))),
                "max_leaf_nodes": int(rng.integers(4, 64)),
                "min_samples_leaf": int(rng.integers(2, 60)),
                "l2_regularization": float(np.exp(rng.uniform(np.log(1e-4), np.log(10.0)))),
                "max_iter": int(rng.integers(50, 400)),
            }
        )
    means = [
        np.mean(
            [
                fit(settings, split.train, split.validation, fold)
                for fold, split in enumerate(prepared.splits)
            ]
        )
        for settings in draws
    ]
    best = draws[int(np.argmax(means))]
    return fit({}, whole, test, 0), fit(best, whole, test, 0)


def cell(table: Table, target: str, options: argparse.Namespace, split: int) -> dict[str, Any]:
    """One data set and split: test balanced accuracy of each, and what was chosen."""
    begun = time.perf_counter()
    spec = job(target, options, split)
    outline = Outline.of(table, spec)
    spec = resolve_search(spec, outline)
    found = Search(with_refits(spec, outline), outline)
    prepared = prepare(table, spec)
    contenders, groups = trained(found, prepared)
    winner = found.winner(groups) or 0
    trained_seconds = time.perf_counter() - begun
    library = Library(held_out(prepared, "out_of_fold"), balanced=True)
    halved = [group.number for group in groups if group.halved]
    library.add(contenders, halved=halved)
    temperatures = {entry.configuration: entry.temperature for entry in library.entries}
    refits = refitted(found, groups, prepare(table, spec, refit=True), temperatures)
    values = {
        f"{name}, {what}": refits[number][place]
        for name, number in (("all off", 0), ("winner", winner))
        for place, what in enumerate(("refit", "mean of its refits"))
    }

    def measure(shares: Mapping[int, float]) -> float:
        return accuracy(ensemble(contenders, shares, temperatures), prepared)

    made = servables(library, size=GREEDY, winner=winner, unregularized=0)
    by_method: dict[str, float] = {one.method: measure(one.shares) for one in made}
    eight = servables(library, size=TOP, winner=winner, unregularized=0)
    values["all off, bag"], values["winner, bag"] = by_method["unregularized"], by_method["folds"]
    values["best eight"] = next(measure(one.shares) for one in eight if one.method == "top")
    values["best 25"] = by_method["top"]
    values["greedy"], values["mean of all"] = by_method["greedy"], by_method["all"]
    if halved:
        everything = [entry.configuration for entry in library.entries]
        values["mean of all, halved too"] = measure(dict.fromkeys(everything, 1.0))
    # As it is served, by itself: trained once more on all rows, as often as the search says.
    by_method["unregularized"] = values["all off, mean of its refits"]
    by_method["winner"] = values["winner, mean of its refits"]
    often = found.spec.refit_repeats
    served = servables(library, size=GREEDY, winner=winner, unregularized=0, refits=often)
    chosen, choice = choose_served(library, served)
    values[AUTO] = by_method[chosen.method]
    values["boosting"], values["boosting, tuned"] = boosted(prepared, split)
    if options.keep is not None:
        keep(options.keep / f"{table_name(options, split)}.npz", contenders, library, prepared)
    return {
        "values": values,
        "choice": choice.model_dump(mode="json"),
        "winner": winner,
        "temperatures": temperatures,
        "epochs_trained": trained_seconds,
        "seconds": time.perf_counter() - begun,
    }


def table_name(options: argparse.Namespace, split: int) -> str:
    """Of the file of a cell's scores."""
    return f"{options.current}-{split}-{options.method}"


def keep(path: Path, contenders: Sequence[Contender], library: Library, prepared: Prepared) -> None:
    """Write what all networks say: ``out_of_fold [C, N, O]``, ``test [C, folds, T, O]``."""
    from worker.appraisal.rows import row_scores

    path.parent.mkdir(parents=True, exist_ok=True)
    known = {entry.configuration for entry in library.entries}
    chosen = [one for one in contenders if one.configuration in known]
    parts = {
        "out_of_fold": row_scores(library.held, chosen),
        "test": row_scores(held_out(prepared, "test"), chosen),
    }
    arrays = {
        name: np.stack([one.scores for one in scores if one is not None])
        for name, scores in parts.items()
    }
    np.savez_compressed(
        path,
        configurations=np.array([one.configuration for one in chosen]),
        truth=library.held.truth,
        test_truth=held_out(prepared, "test").truth,
        **arrays,
    )


def main() -> None:
    """Train what is not done yet, or print the table of what is."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--trials", type=int, default=16, help="configurations of a search")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 128])
    parser.add_argument("--method", choices=["random", "halving"], default="random")
    parser.add_argument("--results", type=Path, default=Path("build/ensemble.jsonl"))
    parser.add_argument("--keep", type=Path, help="folder for the scores of all networks")
    parser.add_argument("--cells", type=int, help="most cells that are done now")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if options.table:
        show(options.results)
        return
    present(options.data, "folder of data sets")
    tune_processor(options.threads)
    settings = {name: getattr(options, name) for name in ("trials", "epochs", "hidden", "method")}
    done = {
        (one["set"], one["split"]) for one in lines(options.results) if one["settings"] == settings
    }
    print(machine(options.threads), flush=True)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    left = [(name, split) for name in options.sets for split in range(options.splits)]
    left = [each for each in left if each not in done][: options.cells]
    for name in dict.fromkeys(name for name, _ in left):
        table, target, _ = load(options.data / name)
        options.current = name
        for split in (split for own, split in left if own == name):
            found = cell(table, target, options, split)
            with options.results.open("a", encoding="utf-8") as file:
                line = {"set": name, "split": split, "settings": settings} | found
                file.write(json.dumps(line) + "\n")
            shown = ", ".join(f"{key} {100 * value:.1f}" for key, value in found["values"].items())
            print(f"{name} {split}: {shown}; {found['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
