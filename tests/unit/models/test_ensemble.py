"""Ensembles: networks of several fleets, folds and structures, from one file."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax

from tests.contending import trained
from worker.appraisal import Contender
from worker.data import Prepared, load_builtin
from worker.errors import ModelError, SpecError
from worker.models import (
    AnswerSettings,
    EnsembleMember,
    ModelFile,
    TrainedModel,
    certify,
    join_members,
    read_manifest,
    weighted_mean,
)
from worker.models.export import ExportSource, export
from worker.networks import JointNetwork, join_programs, write_programs
from worker.spec import Builtin

COMPARE: list[dict[str, Any]] = [
    {"name": "none", "regularization": {}},
    {"name": "norms", "regularization": {"layer_norm": {}, "batch_norm": {}}},
    {"name": "dropout", "regularization": {"dropout": {"p": 0.3}}},
    {"name": "snapshots", "regularization": {"snapshot_ensemble": {"members": 2}}},
    {"name": "wider", "network": {"kind": "mlp", "hidden": [7], "activation": "silu"}},
    {
        "name": "embedded",
        "network": {"kind": "mlp", "hidden": [6], "embedding": {"kind": "periodic"}},
    },
    {"name": "residual", "network": {"kind": "residual_mlp", "width": 8, "blocks": 1}},
]
DATA = {"binary": "breast_cancer", "multiclass": "iris", "regression": "diabetes"}
ORIGIN = ExportSource("m", 1, "0" * 64)


@pytest.fixture(scope="module", params=DATA)
def job(request: pytest.FixtureRequest) -> tuple[Prepared, list[Contender], str]:
    """Networks of six structures on three folds."""
    name = DATA[request.param]
    prepared, contenders = trained(
        dataset={"builtin": name},
        split={"folds": 3, "test": 0.2},
        network={"kind": "mlp", "hidden": [6, 5]},
        training={"epochs": 2},
        compare=COMPARE,
    )
    return prepared, contenders, name


def members(contenders: Sequence[Contender]) -> list[EnsembleMember]:
    """All networks, of unequal weights and, of classes, temperatures."""
    return [
        EnsembleMember.of(
            one.file,
            one.position,
            weight=1.0 + number,
            temperature=1.0 if one.file.target().task == "regression" else 1.0 + 0.5 * number,
        )
        for number, contender in enumerate(contenders)
        for one in contender.trials
    ]


def test_answers_are_the_weighted_mean_of_single_models(
    job: tuple[Prepared, list[Contender], str],
) -> None:
    prepared, contenders, name = job
    table, _ = load_builtin(Builtin.model_validate({"builtin": name}))
    table = table.select(prepared.row_numbers[prepared.splits[0].test])
    total: Any = 0.0
    shares = []
    for member, one in zip(
        members(contenders), (t for c in contenders for t in c.trials), strict=True
    ):
        single = TrainedModel.load(one.file.dump(), one.position)
        features = single.encode(table)
        if single.target.task == "regression":
            answer: Any = single.answer(features).values
        else:
            # Snapshots are divided one by one, as they are members each.
            scores = single.member_scores(features) / member.temperature
            if scores.shape[2] == 1:
                scores = np.concatenate([np.zeros_like(scores), scores], axis=2)
            answer = softmax(scores.astype(float), axis=2).mean(axis=0)
        total = total + member.weight * answer
        shares.append(member.weight)
    model = TrainedModel.load(join_members(members(contenders)).dump(), 0)
    answers = model.answer(model.encode(table))
    ours = answers.values if answers.probabilities is None else answers.probabilities
    scale = model.target_scale if answers.probabilities is None else 1.0
    assert ours is not None
    np.testing.assert_allclose(ours / scale, total / sum(shares) / scale, atol=2e-5)


def test_it_is_certified_and_a_row_is_the_same_in_any_batch(
    job: tuple[Prepared, list[Contender], str],
) -> None:
    _, contenders, _ = job
    file = join_members(members(contenders))
    assert file.dump() == join_members(members(contenders)).dump()
    model = TrainedModel.load(file.dump(), 0)
    assert model.members == 3 * 8  # a snapshot ensemble has two
    assert sum(model.weights) == pytest.approx(1.0)
    assert [check for check in certify(model).checks if not check.passed] == []
    rows = np.random.default_rng(0).normal(size=(300, *model.encoder.shape)).astype(np.float32)
    whole = model.forward(rows)
    for first, count in ((0, 1), (7, 2), (3, 130), (299, 1)):
        part = model.forward(rows[first : first + count])
        assert part.tobytes() == whole[first : first + count].tobytes()


@pytest.mark.parametrize("to", ["safetensors", "onnx"])
def test_exports_answer_as_it_does(job: tuple[Prepared, list[Contender], str], to: Any) -> None:
    """The export checks that itself, and refuses what differs."""
    _, contenders, _ = job
    data = join_members(members(contenders)).dump()
    assert export(data, ORIGIN, to)


def test_plain_rows_have_the_bits_of_others() -> None:
    prepared, (contender,) = trained(
        dataset={"builtin": "iris"},
        split={"folds": 3},
        network={"kind": "linear"},
        training={"epochs": 1},
    )
    model = TrainedModel.load(
        join_members([EnsembleMember.of(t.file, t.position) for t in contender.trials]).dump(), 0
    )
    table, _ = load_builtin(Builtin.model_validate({"builtin": "iris"}))
    names = [column.name for column in model.encoder.columns]
    rows = np.stack([table.values[name] for name in names], axis=1)
    assert model.plain is not None
    read = model.plain.features([dict(zip(names, row, strict=True)) for row in rows.tolist()])
    expected = model.encode(table)
    assert expected.shape == (150, 12)
    for found in (read, model.plain.encode(rows.tolist()), model.plain.matrix_features(rows)):
        assert found is not None
        assert found.tobytes() == expected.tobytes()
    assert model.encode_numbers(rows).tobytes() == expected.tobytes()
    for fold in range(3):
        own = prepared.x[fold]
        assert expected[:, 4 * fold : 4 * fold + 4].tobytes() == own.tobytes()


def test_dropout_is_sampled_in_all_members(job: tuple[Prepared, list[Contender], str]) -> None:
    _, contenders, _ = job
    model = TrainedModel.load(join_members(members(contenders)).dump(), 0)
    rows = model.probe_features[0].numpy()
    once = model.sample(rows, AnswerSettings(mc_samples=20, seed=1))
    again = model.sample(rows[2:3], AnswerSettings(mc_samples=20, seed=1))
    assert np.array_equal(once.further["deviation"][2:3], again.further["deviation"])
    assert (once.further["deviation"] > 0).all()
    alone = [t for c in contenders if c.name == "none" for t in c.trials]
    silent = join_members([EnsembleMember.of(t.file, t.position) for t in alone]).dump()
    with pytest.raises(SpecError, match="leave mc_samples out"):
        TrainedModel.load(silent, 0).sample(rows, AnswerSettings(mc_samples=2))


def test_earlier_releases_refuse_the_file(job: tuple[Prepared, list[Contender], str]) -> None:
    _, contenders, _ = job
    file = join_members(members(contenders))
    assert file.manifest.format == 2
    other = file.manifest.model_copy(update={"format": 3})
    with pytest.raises(ModelError, match="this release reads 1 and 2"):
        ModelFile.load(ModelFile(file.tensors, other).dump())
    assert read_manifest(io.BytesIO(file.dump())).encoder.columns


@pytest.mark.parametrize("size", [1.0, 700.0])
def test_the_mean_of_logits_is_that_of_probabilities(size: float) -> None:
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.ones(5))
    scores = (size * rng.normal(size=(5, 9, 3))).astype(np.float32)
    expected = np.log(np.einsum("m,mno->no", weights, softmax(scores.astype(float), axis=2)))
    found = log_softmax(weighted_mean("multiclass", scores, weights).astype(float), axis=1)
    usual = expected > -600
    np.testing.assert_allclose(found[usual], expected[usual], rtol=1e-5, atol=1e-5)
    logits = scores[:, :, :1]
    p = np.einsum("m,mn->n", weights, expit(logits[..., 0].astype(float)))
    found = weighted_mean("binary", logits, weights)[:, 0]
    both = (p > 1e-12) & (p < 1 - 1e-12)
    np.testing.assert_allclose(found[both], np.log(p / (1 - p))[both], rtol=1e-4, atol=1e-5)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("hidden", [[32, 16], [7, 5]])
def test_a_row_alone_has_the_bits_that_it_has_among_others(hidden: list[int]) -> None:
    """Its first product may be one of all members, where that changes no bit."""
    _, contenders = trained(
        dataset={"builtin": "iris"},
        split={"validation": 0.2},
        network={"kind": "mlp", "hidden": hidden},
        training={"epochs": 1},
        compare=[{"name": f"{n}", "regularization": {"dropout": 0.1 * n}} for n in range(3)],
    )
    model = TrainedModel.load(join_members(members(contenders)).dump(), 0)
    rows = np.random.default_rng(1).standard_normal((40, 4), dtype=np.float32)
    whole = model.forward(rows)
    for number in range(len(rows)):
        alone = model.forward(rows[number : number + 1])
        assert alone.tobytes() == whole[number : number + 1].tobytes()
    network = model.network
    assert isinstance(network, JointNetwork)
    (part,) = network.parts
    (program,) = join_programs(write_programs(part.network, (4,)) or ())
    joined = program.of_one_row()
    assert joined is not None
    row = torch.from_numpy(rows[:1])
    usual = program(row.expand(3, 1, 4)).numpy()
    np.testing.assert_allclose(joined(row).numpy(), usual, rtol=1e-5, atol=1e-6)
