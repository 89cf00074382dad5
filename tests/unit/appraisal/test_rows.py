"""The scores of rows that were held out: their means are the metrics that trials were given."""

import mmap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contending import trained
from worker.appraisal.rows import held_out, row_scores

COMPARE = [
    {"name": "none", "regularization": {}},
    {"name": "L1", "regularization": {"l1": {"strength": 0.01}, "dropout": {"p": 0.2}}},
    {
        "name": "norm",
        "regularization": {"batch_norm": {}, "snapshot_ensemble": {"members": 2}},
        "training": {"epochs": 4},
    },
]
SMALL: dict[str, Any] = {"training": {"epochs": 3}, "network": {"kind": "mlp", "hidden": [8]}}
JOBS: dict[str, dict[str, Any]] = {
    "binary": {
        "dataset": {"builtin": "circle", "rows": 200},
        "split": {"validation": 0.3},
        "threshold": "f1",
        "positive": "0",
        "compare": COMPARE,
    },
    "multiclass": {"dataset": {"builtin": "iris"}, "repeats": 2, "compare": COMPARE},
    "regression": {"dataset": {"builtin": "diabetes"}, "repeats": 2, "compare": COMPARE},
    "test rows": {
        "dataset": {"builtin": "diabetes"},
        "split": {"folds": 3, "test": 0.2},
        "compare": COMPARE,
    },
}


@pytest.mark.parametrize("kind", JOBS)
def test_means_over_rows_are_the_metrics_of_trials(kind: str) -> None:
    prepared, contenders = trained(**(SMALL | JOBS[kind]))
    held = held_out(prepared)
    for contender, scores in zip(contenders, row_scores(held, contenders), strict=True):
        assert scores is not None
        assert len(scores.scores) == len(contender.trials)
        for place, one in enumerate(contender.trials):
            measured = {
                name: one.metrics[f"{held.part}_{name}"]
                for name in ("loss", "accuracy", "rmse")
                if f"{held.part}_{name}" in one.metrics
            }
            ours = {"loss": scores.losses()[place].mean()}
            if "accuracy" in measured:
                ours["accuracy"] = scores.right()[place].mean()
            if "rmse" in measured:
                ours["rmse"] = np.sqrt(scores.errors()[place].mean())
                apart = scores.values()[place] - held.truth
                assert np.sqrt(np.square(apart).mean()) == pytest.approx(ours["rmse"], rel=1e-5)
            assert ours == pytest.approx(measured, rel=1e-5)


def test_of_a_cross_validation_each_row_is_answered_by_the_fold_that_it_validates() -> None:
    prepared, contenders = trained(
        dataset={"builtin": "diabetes"},
        split={"folds": 3},
        repeats=2,
        compare=COMPARE[:2],
        **SMALL,
    )
    held = held_out(prepared)
    assert held.rows.tolist() == list(range(442))
    assert held.fold is not None
    (_, scores) = row_scores(held, contenders)
    assert scores is not None
    assert scores.places == [(0, None), (1, None)]
    for one in contenders[1].trials:
        own = scores.losses()[one.trial.repeat, held.fold == one.trial.fold]
        assert own.mean() == pytest.approx(one.metrics["validation_loss"], rel=1e-5)
    unit = prepared.target_scale[held.fold]
    assert scores.errors() == pytest.approx(scores.losses() * unit**2)
    assert held.truth == pytest.approx(scores.targets[0] * scores.unit[0] + scores.center[0])


def test_a_repeat_that_lacks_a_fold_does_not_count() -> None:
    prepared, (contender,) = trained(
        dataset={"builtin": "iris"}, split={"folds": 3}, repeats=2, **SMALL
    )
    held = held_out(prepared)
    without_a_fold = replace(contender, trials=[*contender.trials[:1], *contender.trials[2:]])
    (scores,) = row_scores(held, [without_a_fold])
    assert scores is not None
    assert scores.places == [(1, None)]
    without_two = replace(contender, trials=without_a_fold.trials[:-1])
    assert row_scores(held, [without_two]) == [None]


def test_of_many_rows_some_are_drawn() -> None:
    prepared, (contender,) = trained(dataset={"builtin": "iris"}, split={"folds": 3}, **SMALL)
    whole, held = held_out(prepared), held_out(prepared, most=40)
    assert (len(whole), len(held), held.whole) == (150, 40, 150)
    (every,), (some,) = row_scores(whole, [contender]), row_scores(held, [contender])
    assert every is not None
    assert some is not None
    chosen = np.flatnonzero(np.isin(whole.rows, held.rows))
    assert some.losses() == pytest.approx(every.losses()[:, chosen], abs=1e-6)


def test_a_file_whose_rows_were_drawn_is_not_kept_in_memory(tmp_path: Path) -> None:
    prepared, (contender,) = trained(dataset={"builtin": "iris"}, split={"folds": 3}, **SMALL)
    path = tmp_path / "x.f32"
    prepared.x.tofile(path)
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    x = np.frombuffer(pages, dtype=np.float32).reshape(prepared.x.shape)

    def resident() -> int:
        """KiB of the file that are this process's own."""
        lines = iter(Path("/proc/self/smaps").read_text().splitlines())
        _ = next(line for line in lines if line.endswith(str(path)))
        return int(next(line for line in lines if line.startswith("Rss:")).split()[1])

    assert np.array_equal(x, prepared.x)
    assert resident() > 0
    (mapped,) = row_scores(held_out(replace(prepared, x=x)), [contender])
    assert resident() == 0
    (held,) = row_scores(held_out(prepared), [contender])
    assert held is not None
    assert mapped is not None
    assert np.array_equal(mapped.scores, held.scores)


def test_images_are_answered() -> None:
    prepared, (contender,) = trained(
        (1, 8, 8),
        dataset={"builtin": "digits"},
        training={"epochs": 1},
        network={"kind": "cnn", "channels": [4]},
    )
    (scores,) = row_scores(held_out(prepared), [contender])
    assert scores is not None
    (one,) = contender.trials
    assert scores.losses().mean() == pytest.approx(one.metrics["validation_loss"], rel=1e-5)
