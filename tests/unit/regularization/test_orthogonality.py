"""Orthogonality: ‖WᵀW − I‖² by the formula, and what it comes to."""

import pytest
import torch

from tests.fleets import trained
from tests.techniques import network
from tests.weights import equals_fleet_of_one, small_fleet, weights
from worker.networks import Parameters
from worker.regularization import PerTrial, Regularization, techniques
from worker.regularization.families.penalty import Penalties
from worker.regularization.orthogonality import Orthogonality


def test_the_value_is_that_of_the_formula_up_to_what_cannot_be_reached() -> None:
    """5-4-3-2: all layers have fewer units than inputs, and then it is the formula itself."""
    w, index = weights(2)
    settings = (Orthogonality(strength=0.1), Orthogonality(strength=0.3, layers=(1,)))
    terms = Orthogonality.terms(PerTrial(settings), index)
    blocks = [matrix.of(w) for matrix in index.matrices]
    by_hand = [
        (torch.linalg.norm(block.mT @ block - torch.eye(block.shape[2]), dim=(1, 2)) ** 2)
        for block in blocks
    ]
    expected = torch.stack([0.1 * sum(part[0] for part in by_hand), 0.3 * by_hand[1][1]])
    torch.testing.assert_close(Orthogonality.value(w, terms), expected)


@pytest.mark.parametrize("outputs", [2, 7])
def test_a_wide_layer_is_judged_by_its_rows(outputs: int) -> None:
    """‖WᵀW − I‖² = ‖WWᵀ − I‖² + (out − in): the same gradient, and the rest is out of reach."""
    built = network({"kind": "linear"}, (3,), {}, outputs=outputs)
    parameters = Parameters(built)
    w = torch.randn(parameters.values.shape).double().requires_grad_()
    terms = Orthogonality.terms(PerTrial((Orthogonality(strength=1.0),)), parameters.index)
    block = parameters.index.matrices[0].of(w)
    whole = (block.mT @ block - torch.eye(outputs)).square().sum()
    value = Orthogonality.value(w, terms)[0]
    torch.testing.assert_close(
        whole - value, torch.tensor(float(max(outputs - 3, 0)), dtype=w.dtype)
    )
    (expected,) = torch.autograd.grad(whole, w)
    torch.testing.assert_close(Orthogonality.gradient(w.detach(), terms), expected)


def test_a_convolution_is_the_matrix_of_its_kernels() -> None:
    built = network({"kind": "cnn", "channels": [4], "hidden": []}, (2, 6, 6), {})
    parameters = Parameters(built)
    w = torch.randn(parameters.values.shape)
    settings = Orthogonality(strength=1.0, layers=(0,))
    terms = Orthogonality.terms(PerTrial((settings,)), parameters.index)
    matrix = parameters.index.matrices[0]
    kernels = w[0, matrix.columns].view(matrix.shape).flatten(1)  # [out, in·k·k]
    expected = (kernels @ kernels.T - torch.eye(4)).square().sum()
    torch.testing.assert_close(Orthogonality.value(w, terms)[0], expected)


def test_orthonormal_columns_cost_nothing_and_stay() -> None:
    w, index = weights(1)
    terms = Orthogonality.terms(PerTrial((Orthogonality(strength=1.0),)), index)
    for matrix in index.matrices:
        block = matrix.of(w)
        block.copy_(torch.linalg.qr(block)[0])
    assert Orthogonality.value(w, terms).item() == pytest.approx(0, abs=1e-10)
    assert Orthogonality.gradient(w, terms).abs().max().item() < 1e-5


def test_training_makes_units_orthogonal() -> None:
    run = trained(small_fleet({}, {"orthogonality": {"strength": 1.0, "layers": [1]}}))
    block = run.engine.parameters.index.matrices[1].of(run.engine.parameters.values)
    gram = block.mT @ block
    distance = (gram - torch.eye(3)).square().sum((1, 2))
    assert distance[1] < 0.2 * distance[0]


def test_a_trial_equals_its_fleet_of_one() -> None:
    equals_fleet_of_one(
        {"orthogonality": {"strength": 1e-2}},
        {"orthogonality": {"strength": 0.1, "layers": [0]}, "l2": {"strength": 0.01}},
        {},
    )


def test_it_has_no_proximal_step() -> None:
    """A solver takes proximal steps; one that is made up would solve another problem."""
    w, index = weights(1)
    stacks = {Orthogonality: PerTrial((Orthogonality(strength=1.0),))}
    penalties = Penalties(stacks, index)
    with pytest.raises(TypeError, match="orthogonality has no proximal step"):
        penalties.convex(w)
    assert "method" not in techniques()["orthogonality"].model_fields
    assert Regularization(orthogonality=Orthogonality(strength=1.0)).orthogonality is not None
    assert penalties.value(w).item() > 0
