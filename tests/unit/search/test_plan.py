"""From a job to its configurations, trials and fleets; and how large a fleet is."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fleets import ADAM
from worker.data import Outline, load_builtin, prepare
from worker.errors import SpecError
from worker.search.cost import FleetCost
from worker.search.memory import (
    DOCUMENTS,
    FLOAT,
    KEPT_COPIES,
    ORDER,
    batch_orders,
    bytes_per_order,
    bytes_per_trial,
    largest_fleet,
)
from worker.search.plan import Configurations, FleetPlan, cut, plan
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun
from worker.training.probe import probe

BOTH = {"l2": {"strength": 1e-4}, "dropout": {"p": 0.3}}
PARAMETERS = 2751
MIB = 2**20


def job_spec(**fields: Any) -> JobSpec:
    """A job on the circle problem."""
    return JobSpec.model_validate({"dataset": {"builtin": "circle"}, **fields})


def planned(**job: Any) -> list[FleetPlan]:
    """The fleets of a job on the circle problem."""
    spec = job_spec(**job)
    table, target = load_builtin(Builtin.model_validate({"builtin": "circle"}))
    return plan(spec, Outline.of(table, spec, target))


def test_plain_job_is_a_fleet_of_one() -> None:
    """One trial, named after the job."""
    (fleet,) = planned(name="first")
    assert [trial.name for trial in fleet.trials] == ["first"]


def test_comparison_times_repeats_share_a_fleet() -> None:
    """Trials that differ in numbers are one engine; seeds count up over the repeats."""
    variants = [{"name": "a"}, {"name": "b", "regularization": {"l1": {"strength": 0.1}}}]
    (fleet,) = planned(compare=variants, repeats=3, training={"seed": 7})
    assert [(t.name, t.training.seed) for t in fleet.trials] == [
        (name, seed) for name in "ab" for seed in (7, 8, 9)
    ]


def test_structure_divides_fleets() -> None:
    """Another width, optimizer or number of epochs is another engine."""
    variants = [
        {"name": "a"},
        {"name": "wide", "network": {"kind": "mlp", "hidden": [100]}},
        {"name": "sgd", "training": {"optimizer": {"kind": "sgd"}}},
        {"name": "long", "training": {"epochs": 99}},
        {"name": "same", "regularization": {"dropout": {"p": 0.1}}},
    ]
    sizes = [len(fleet.trials) for fleet in planned(compare=variants)]
    assert sizes == [2, 1, 1, 1]


def fleets_of_two(*regularizations: dict[str, Any]) -> int:
    """How many fleets two trials make that differ in their techniques alone."""
    pairs = zip("ab", regularizations, strict=True)
    variants = [{"name": name, "regularization": settings} for name, settings in pairs]
    return len(planned(compare=variants, network={"kind": "mlp", "hidden": [4]}))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"dropout": {"p": 0.3}}, {"jacobian": {"strength": 0.1}}),
        ({"batch_norm": {"epsilon": 1e-3}}, {"batch_norm": {"epsilon": 1e-2}}),
        ({"batch_norm": {}}, {"batch_norm": {"epsilon": 1e-2}}),
        ({"layer_norm": {"epsilon": 1e-3}}, {"layer_norm": {"epsilon": 1e-2}}),
    ],
)
def test_who_is_differentiated_otherwise_or_normalized_by_another_epsilon_is_apart(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert fleets_of_two(first, second) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"dropout": {"p": 0.3}}, {"l1": {"strength": 0.1}}),
        ({"drop_connect": {"p": 0.3}}, {"batch_norm": {}}),
        ({}, {"adversarial": {}}),
        ({"batch_norm": {"epsilon": 1e-3}}, {"batch_norm": {"epsilon": 1e-3}, **BOTH}),
    ],
)
def test_techniques_that_the_others_can_do_without_are_together(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert fleets_of_two(first, second) == 1


@pytest.mark.parametrize(
    ("technique", "hidden", "repeats", "sizes"),
    [
        ("batch_norm", [50, 50], 8, [16]),
        ("batch_norm", [50, 50], 40, [40, 40]),
        ("adversarial", [50, 50], 8, [8, 8]),
        ("batch_norm", [256, 256], 1, [1, 1]),
        ("noise", [256, 256], 1, [2]),
    ],
)
def test_nobody_pays_for_a_slow_neighbour(
    technique: str, hidden: list[int], repeats: int, sizes: list[int]
) -> None:
    """Parted where that is done sooner: many trials, a large network, a costly technique."""
    fleets = planned(
        compare=[{"name": "a"}, {"name": "b", "regularization": {technique: {}}}],
        network={"kind": "mlp", "hidden": hidden},
        repeats=repeats,
    )
    assert [len(fleet.trials) for fleet in fleets] == sizes
    if len(sizes) == 2:
        assert [trial.name for trial in fleets[0].trials] == ["a"] * repeats


def test_uneven_folds_divide_fleets() -> None:
    """Folds of different size cannot share an engine; none is lost."""
    fleets = planned(split={"folds": 3})
    assert sorted(t.fold or 0 for fleet in fleets for t in fleet.trials) == [0, 1, 2]


@pytest.mark.parametrize(
    ("job", "param"),
    [
        ({"regularization": {"dropout": {"p": [0.1]}}}, "regularization.dropout.p"),
        ({"regularization": {"l1": {"strength": 1.0, "layers": [3]}}}, "regularization.l1.layers"),
        (
            {
                "regularization": {"weight_decay": {"strength": 0.1, "method": "coupled"}},
                "training": {"optimizer": {"kind": "adamw"}},
            },
            "regularization.weight_decay.method",
        ),
        (
            {"training": {"optimizer": {"kind": "sgd", "nesterov": True}}},
            "training.optimizer.nesterov",
        ),
    ],
)
def test_contradictions_name_the_field(job: dict[str, Any], param: str) -> None:
    """What cannot train is refused at the POST."""
    with pytest.raises(SpecError) as caught:
        planned(**job)
    assert caught.value.param == param


def test_each_technique_is_left_out_once() -> None:
    job = job_spec(name="base", regularization=BOTH, attribute=True)
    whole, *others = Configurations(job)
    assert (whole.name, whole.without) == ("base", None)
    assert [other.name for other in others] == ["base without l2", "base without dropout"]
    for other in others:
        assert other.without is not None
        assert other.without.configuration == 0
        left = dict(other.regularization.techniques())
        assert left.keys() == BOTH.keys() - {other.without.technique}
        assert all(left[name] == getattr(job.regularization, name) for name in left)


def test_every_member_of_a_comparison_is_taken_apart() -> None:
    variants = [
        {"name": "none", "regularization": {}},
        {"name": "a"},
        {"name": "b", "regularization": {"l1": {"strength": 1e-4}}},
    ]
    found = Configurations(job_spec(regularization=BOTH, compare=variants, attribute=True))
    assert [each.name for each in found] == [
        "none", "a", "b", "a without l2", "a without dropout", "b without l1",
    ]  # fmt: skip
    assert [each.without.configuration for each in found if each.without] == [1, 1, 2]


def test_pairs_share_seeds_and_folds() -> None:
    """What differs within a pair is the technique alone, so that it is the technique's doing."""
    job: dict[str, Any] = {"regularization": BOTH, "attribute": True, "repeats": 2}
    trials = [trial for fleet in planned(**job, split={"folds": 2}) for trial in fleet.trials]
    assert len(trials) == 3 * 2 * 2
    places = [
        sorted((t.repeat, t.fold, t.training.seed) for t in trials if t.configuration == number)
        for number in range(3)
    ]
    assert places[0] == places[1] == places[2]


def test_nothing_is_left_out_unless_asked() -> None:
    assert len(Configurations(job_spec(regularization=BOTH))) == 1


def test_there_must_be_something_to_leave_out() -> None:
    with pytest.raises(SpecError) as caught:
        Configurations(job_spec(attribute=True))
    assert caught.value.param == "attribute"


def with_outline(memory: int = 2**30, **job: Any) -> tuple[list[FleetPlan], Outline]:
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = Outline.of(table, spec, target)
    return plan(spec, outline, memory), outline


def size(**job: Any) -> int:
    (fleet,), outline = with_outline(**job)
    return bytes_per_trial(fleet.trials, outline)


@pytest.mark.parametrize(
    "job",
    [
        {"training": ADAM},
        {"training": {**ADAM, "optimizer": {"kind": "sgd"}}},
        {"training": {**ADAM, "optimizer": {"kind": "sgd", "momentum": 0.9}}},
        {"training": ADAM, "regularization": {"early_stopping": {}, "ema": {}}},
        {"training": ADAM, "regularization": {"lookahead": {}, "swa": {}, "batch_norm": {}}},
        {"training": ADAM, "regularization": {"snapshot_ensemble": {"members": 4}}},
        pytest.param(
            {"training": ADAM, "network": {"kind": "residual_mlp"}}, marks=pytest.mark.slow
        ),
        {"training": ADAM, "network": {"kind": "mlp", "embedding": {"kind": "periodic"}}},
        {"training": ADAM, "network": {"kind": "mlp", "embedding": {"kind": "piecewise_linear"}}},
    ],
    ids=str,
)
def test_the_formula_covers_what_a_probe_weighs_and_little_more(job: dict[str, Any]) -> None:
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job, "repeats": 8})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = Outline.of(table, spec, target)
    (fleet,) = plan(spec, outline, 4 * 2**30)
    prepared = prepare(table, spec, target)
    held = probe(fleet.trials, prepared, 0.01).state_bytes / len(fleet.trials)
    parameters = FleetRun(fleet.trials, prepared).engine.parameters.count
    # A batch and a step as the formula has them; a second program at the end, and a checkpoint, are
    # at most as much each.
    found = bytes_per_trial(fleet.trials, outline) - DOCUMENTS
    assert held < found
    smaller = spec.model_copy(
        update={"training": spec.training.model_copy(update={"batch_size": 1})}
    )
    (alone,) = plan(smaller, outline, 4 * 2**30)
    without_batch = bytes_per_trial(alone.trials, outline) - DOCUMENTS - 5 * FLOAT * parameters
    assert held < without_batch < 4 * held


def test_what_one_trial_needs_is_stored_for_all() -> None:
    plain = {"name": "plain"}
    ema = {"name": "ema", "regularization": {"ema": {}}}
    alone, both = size(compare=[plain]), size(compare=[plain, ema])
    # The average and what is served, in both programs; and the average in a checkpoint.
    assert both - alone == FLOAT * (2 * 2 + 1) * PARAMETERS


def test_penalties_batches_and_widths_take_their_share() -> None:
    plain = size()
    assert size(regularization={"l1": {"strength": 0.1}}) == plain + FLOAT * 2 * PARAMETERS
    assert size(training={"batch_size": 64}) > plain
    assert size(network={"kind": "mlp", "hidden": [500, 500]}) > 20 * plain


def test_what_layers_keep_takes_memory() -> None:
    plain = size()
    units = 101  # of 50-50-1
    for job in (
        {"regularization": {"batch_norm": {}, "dropout": {"p": 0.1}}},
        {"network": {"kind": "mlp", "hidden": [50, 50], "activation": "gelu"}},
        {"compare": [{"name": "none"}, {"name": "ln", "regularization": {"layer_norm": {}}}]},
    ):
        assert size(**job) >= plain + FLOAT * 32 * KEPT_COPIES * units


def test_a_solver_is_sized_by_its_rows() -> None:
    job: dict[str, Any] = {
        "dataset": {"builtin": "diabetes"},
        "network": {"kind": "linear"},
        "training": {"optimizer": {"kind": "solver"}},
    }
    assert size(**job) > 353 * FLOAT


def test_a_fleet_is_cut_to_its_memory() -> None:
    each = size(repeats=10) + ORDER * 800  # each repeat has an order of its own
    fleets, outline = with_outline(memory=4 * each, repeats=10)
    assert [len(fleet.trials) for fleet in fleets] == [4, 4, 2]
    assert all(
        len(fleet.trials) * bytes_per_trial(fleet.trials, outline) <= 4 * each for fleet in fleets
    )


def test_orders_that_trials_share_are_counted_once() -> None:
    """20 configurations of one seed have one order; 20 repeats have 20."""
    variants = [{"name": str(n)} for n in range(20)]
    ((alike,), outline), ((seeded,), _) = (
        with_outline(compare=variants), with_outline(repeats=20)
    )  # fmt: skip
    assert (len(batch_orders(alike.trials)), len(batch_orders(seeded.trials))) == (1, 20)
    each, order = bytes_per_trial(alike.trials, outline), bytes_per_order(alike.trials, outline)
    assert order == ORDER * 800
    memory = 10 * (each + order)
    assert largest_fleet(seeded.trials, outline, memory) == 10
    assert largest_fleet(alike.trials, outline, 10 * each + order) == 10
    assert largest_fleet(alike.trials, outline, 10 * each) == 9


def test_a_trial_that_does_not_fit_is_a_fleet_of_one() -> None:
    fleets, outline = with_outline(memory=1, repeats=3)
    assert [len(fleet.trials) for fleet in fleets] == [1, 1, 1]
    assert largest_fleet(fleets[0].trials, outline, 1) == 1


def test_a_configuration_stays_together_where_it_fits() -> None:
    assert [list(range(9))[part] for part in cut([0, 0, 0, 1, 1, 1, 2, 2, 2], 4)] == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
    ]
    assert list(cut([0] * 5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(cut([0, 0, 1], 3)) == [slice(0, 3)]
    assert list(cut([], 3)) == []


def test_a_gibibyte_holds_thousands_of_small_networks() -> None:
    (fleet,), outline = with_outline()
    assert 2000 < largest_fleet(fleet.trials, outline) < 20_000


def test_a_large_table_is_read_some_columns_at_a_time() -> None:
    fleets, outline = with_outline()
    large = replace(outline, rows=5_000_000, train_rows=(4_000_000,), shape=(50,))
    large = replace(large, columns=tuple(f"x{number}" for number in range(50)))
    asked = FleetCost.of(fleets[0].trials, large)
    matrix = 4 * 5_000_000 * 50
    assert matrix < asked.data_bytes < asked.bytes < 1.5 * matrix
    # A file that is read as a job says is in memory as a whole.
    assert FleetCost.of(fleets[0].trials, replace(large, read_anew=True)).bytes > 5 * matrix


def test_only_a_job_that_says_so_has_its_file_read_anew() -> None:
    table, target = load_builtin(Builtin.model_validate({"builtin": "circle"}))
    assert not Outline.of(table, job_spec(), target).read_anew
    assert Outline.of(table, job_spec(columns={"x1": "numeric"}), target).read_anew
