import pytest
import torch

from tests.weights import path, small_fleet


@pytest.mark.parametrize(
    "optimizer", [{"kind": "sgd", "learning_rate": 2.0}, {"kind": "adam", "learning_rate": 0.3}]
)
def test_it_holds_after_every_step(optimizer: dict[str, object]) -> None:
    """Whatever the learning rate; and a trial without it goes beyond."""
    run = small_fleet(
        {"max_norm": {"norm": 0.4}},
        {"max_norm": {"norm": 0.8, "layers": [1]}},
        {},
        training={"epochs": 3, "optimizer": optimizer},
    )
    matrices = run.engine.parameters.index.matrices
    beyond = 0.0
    for w in path(run):
        norms = [matrix.of(w).norm(dim=1) for matrix in matrices]  # [K, out]
        assert all(norm[0].max() <= 0.4 for norm in norms)
        assert norms[1][1].max() <= 0.8
        beyond = max(beyond, float(norms[0][2].max()))
    assert beyond > 0.4


def test_units_within_the_bound_are_left_alone() -> None:
    """A bound that no unit reaches changes no bit."""
    first, second = small_fleet({"max_norm": {"norm": 1e3}}), small_fleet({})
    for bounded, free in zip(path(first), path(second), strict=True):
        assert torch.equal(bounded, free)


def test_it_projects_to_the_nearest_point() -> None:
    """w_u·min(1, c / ‖w_u‖): the direction stays."""
    run = small_fleet({"max_norm": {"norm": 0.5}})
    w = run.engine.parameters.values
    before = w.clone()
    run.engine.constraints.project(w)
    block = run.engine.parameters.index.matrices[0]
    old, new = block.of(before)[0], block.of(w)[0]
    expected = old * (0.5 / old.norm(dim=0)).clamp(max=1)
    torch.testing.assert_close(new, expected)
