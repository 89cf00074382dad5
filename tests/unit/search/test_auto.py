"""Auto-regularization: which techniques fit a job, and what is drawn from them."""

from dataclasses import replace
from typing import Any

import pytest

from worker.data import Outline
from worker.data.builtin import load_builtin
from worker.errors import SpecError
from worker.regularization import Regularization
from worker.search import auto
from worker.search.samplers import has_at_most_one, keep_at_most_one
from worker.search.scheduler import REFERENCE, Search, resolve_search
from worker.search.space import Overrides, configuration_name
from worker.spec import Builtin, JobSpec, Switch

MIXES = [f"regularization.{name}" for name in ("mixup", "cutmix", "cutout", "adversarial")]


def job(**fields: Any) -> JobSpec:
    body = {"dataset": {"builtin": "iris"}, "regularization": "auto", "search": {"trials": 200}}
    return JobSpec.model_validate({**body, **fields})


def outline(spec: JobSpec) -> Outline:
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    return Outline.of(table, spec, target)


def named(spec: JobSpec, **changes: Any) -> set[str]:
    """The techniques that are on or off in the job's joint space."""
    found = auto.joint_space(spec, replace(outline(spec), **changes))
    return {path.split(".")[1] for path, kind in found.items() if isinstance(kind, Switch)}


def draws(spec: JobSpec) -> list[Overrides]:
    whole = resolve_search(spec, outline(spec))
    wave = Search(whole, outline(spec)).wave(0)
    assert wave is not None
    assert not wave.refused
    found = {
        trial.configuration: overrides
        for planned in wave.plans
        for trial, overrides in zip(planned.trials, planned.overrides or (), strict=True)
    }
    return [found[number] for number in sorted(found)]


def test_auto_is_the_search_of_the_space_auto() -> None:
    spec = job()
    assert spec.search is not None
    assert spec.search.space == "auto"
    assert spec.regularization == Regularization()
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec
    assert job(search={"budget_seconds": 60}).search is not None
    alone = JobSpec.model_validate({"dataset": {"builtin": "iris"}, "regularization": "auto"})
    assert alone.search is not None


def test_tabular_networks_get_the_cocktail() -> None:
    assert named(job()) == {
        "batch_norm",
        "swa",
        "snapshot_ensemble",
        "lookahead",
        "weight_decay",
        "dropout",
        "label_smoothing",
        "mixup",
        "cutmix",
        "cutout",
        "adversarial",
    }


def test_techniques_that_do_not_fit_are_left_out() -> None:
    residual = job(network={"kind": "residual_mlp", "width": 8, "blocks": 1})
    assert named(residual) - named(job()) == {"stochastic_depth", "shake_drop", "shake_shake"}
    linear = named(job(network={"kind": "linear"}))
    assert not linear & {"batch_norm", "dropout"}
    number = job(dataset={"builtin": "diabetes"})
    assert "label_smoothing" not in named(number)
    images = named(job(network={"kind": "cnn"}), shape=(1, 8, 8))
    assert {"spatial_dropout", "flip", "random_crop", "rotation"} <= images
    brief = job(training={"epochs": 2})
    assert "snapshot_ensemble" not in named(brief)
    falling = job(training={"schedule": {"kind": "cosine"}})
    assert "snapshot_ensemble" not in named(falling)
    restarts = {"kind": "cosine", "first_period": 15}
    assert "snapshot_ensemble" in named(job(training={"epochs": 105, "schedule": restarts}))


def test_it_is_written_out_as_a_search_like_any_other() -> None:
    spec = job(training={"epochs": 90})
    written = resolve_search(spec, outline(spec))
    search = written.search
    assert search is not None
    assert (search.method, search.min_epochs) == ("halving", 10)
    assert search.objective == "validation_balanced_accuracy"
    assert search.refit
    assert search.references
    assert search.exclusive == (tuple(MIXES),)
    assert written.regularization.class_weights is not None
    assert JobSpec.model_validate_json(written.model_dump_json()) == written
    assert auto.resolve_auto(written, outline(spec)) == written


def test_what_the_job_says_is_kept() -> None:
    search = {"method": "random", "objective": "validation_loss", "min_epochs": 2, "trials": 3}
    spec = job(search=search)
    written = resolve_search(spec, outline(spec))
    assert written.search is not None
    assert (written.search.method, written.search.objective) == ("random", "validation_loss")
    assert written.regularization.class_weights is None
    number = job(dataset={"builtin": "diabetes"})
    loss = resolve_search(number, outline(number)).search
    assert loss is not None
    assert loss.objective == "validation_loss"


def test_a_draw_has_at_most_one_of_each_group_and_settings_only_of_what_is_on() -> None:
    found = draws(job())
    assert len(found) == 200
    for overrides in found:
        assert has_at_most_one([MIXES], overrides)
        for path in overrides:
            technique = ".".join(path.split(".")[:2])
            assert path == technique or overrides[technique] is not None
    chosen = [
        next((path for path in MIXES if overrides[path] is not None), None) for overrides in found
    ]
    for option in (None, *MIXES):
        assert 20 <= chosen.count(option) <= 60  # one in five, of 200
    dropout = [overrides["regularization.dropout"] is not None for overrides in found]
    assert 70 <= sum(dropout) <= 130
    assert found == draws(job())


def test_the_reference_has_all_techniques_off() -> None:
    reference = draws(job())[REFERENCE]
    assert set(reference.values()) == {None}


def test_names_say_what_is_on() -> None:
    names = [
        configuration_name(number, overrides) for number, overrides in enumerate(draws(job())[:20])
    ]
    assert names[0] == "0: all off"
    assert not any("=off" in each for each in names)


def test_a_group_that_is_chosen_anew_brings_its_settings() -> None:
    spec = job()
    space = auto.joint_space(spec, outline(spec))
    off: Overrides = {path: None for path, kind in space.items() if isinstance(kind, Switch)}
    for number in range(50):
        overrides = keep_at_most_one(0, number, space, [MIXES], off)
        for path in (path for path in MIXES if overrides.get(path) is not None):
            below = {other for other in space if other.startswith(f"{path}.")}
            assert below <= overrides.keys()


def test_a_grid_leaves_out_what_is_exclusive() -> None:
    space = {path: {"optional": True} for path in MIXES[:2]}
    search = {"method": "grid", "space": space, "exclusive": [MIXES[:2]], "references": True}
    found = draws(job(regularization={}, search=search))
    assert len(found) == 3
    assert found[0] == dict.fromkeys(MIXES[:2])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"split": {"validation": 0.0}}, "split.validation"),
        (
            {"network": {"kind": "linear"}, "training": {"optimizer": {"kind": "solver"}}},
            "training.optimizer.kind",
        ),
    ],
)
def test_what_it_cannot_do_is_refused(fields: dict[str, Any], param: str) -> None:
    spec = job(**fields)
    with pytest.raises(SpecError) as refused:
        resolve_search(spec, outline(spec))
    assert refused.value.param == param


def test_contradictions_are_refused_by_the_spec() -> None:
    with pytest.raises(ValueError, match="brings its own"):
        job(search={"space": "default"})
    with pytest.raises(ValueError, match="does not switch"):
        job(
            regularization={},
            search={"space": {MIXES[0]: {"optional": True}}, "exclusive": [MIXES[:2]]},
        )


def test_how_numbers_enter_is_searched_where_they_are_few_and_the_job_does_not_say() -> None:
    def searched(spec: JobSpec, **changes: Any) -> set[str]:
        found = auto.joint_space(spec, replace(outline(spec), **changes))
        return {path for path in found if path.startswith("network.")}

    both = {"network.embedding", "network.embedding.sigma"}
    assert searched(job()) == both
    assert searched(job(network={"kind": "residual_mlp"})) == both
    assert searched(job(), number_inputs=()) == set()
    assert searched(job(), number_inputs=tuple(range(65))) == set()
    assert searched(job(network={"kind": "linear"})) == set()
    own = {"kind": "mlp", "embedding": {"kind": "periodic"}}
    assert searched(job(network=own)) == set()
    _, *drawn = draws(job())  # the first has all techniques off and nothing else changed
    kinds = [overrides["network.embedding"] for overrides in drawn]
    for kind in (None, "periodic", "piecewise_linear"):
        share = sum((k and k["kind"]) == kind for k in kinds) / len(kinds)
        assert share == pytest.approx(1 / 3, abs=0.12), kind
    for overrides, kind in zip(drawn, kinds, strict=True):
        periodic = kind is not None and kind["kind"] == "periodic"
        assert ("network.embedding.sigma" in overrides) == periodic
