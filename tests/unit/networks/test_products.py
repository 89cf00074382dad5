"""Products by NumPy's library: what they come to, and that they are a trial's own to the bit."""

from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_limits
from torch import Generator, Tensor

from tests.fleets import trained
from tests.weights import served, small_fleet
from worker.networks import products, quick
from worker.networks.dense import back, multiply_add, outer
from worker.training import FleetRun

SHAPES = [
    (64, 64, 64),
    (33, 100, 200),
    (128, 256, 10),
    (7, 300, 130),
    (50, 3, 2001),
    (128, 130, 96),
]
"""Rows, inputs and outputs: small for the library and not, with gaps between trials and without."""


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library, also where its kernels are no faster: what is tried here holds of them all."""
    with threadpool_limits(1, "blas"):
        monkeypatch.setattr(products, "kernels", lambda: "forced")
        yield


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def drawn(trials: int, *shape: int) -> Tensor:
    return torch.randn(trials, *shape, generator=Generator().manual_seed(len(shape) + shape[-1]))


def moved(tensor: Tensor) -> Tensor:
    """The same numbers elsewhere in memory, 4 bytes beyond a multiple of 64."""
    place = torch.empty(tensor.numel() + 1)[1:].view(tensor.shape)
    return place.copy_(tensor)


@pytest.mark.usefixtures("forced")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_layer_and_its_way_back_are_those_of_float64(shape: tuple[int, int, int]) -> None:
    rows, inputs, outputs = shape
    h, weight, g = drawn(3, rows, inputs), drawn(3, inputs, outputs), drawn(3, rows, outputs)
    bias = drawn(3, outputs)
    exact = [some.double() for some in (h, weight, g)]
    expected = [
        exact[0] @ exact[1] + bias.double()[:, None],
        exact[0].mT @ exact[2],
        exact[2] @ exact[1].mT,
    ]
    tensors = [some.clone().requires_grad_() for some in (h, weight, bias)]
    with quick():
        assert products.is_quick(h, weight)
        found = [multiply_add(h, weight, bias), outer(h, g), back(g, weight)]
        scores = multiply_add(*tensors)
        gradients = torch.autograd.grad(scores, tensors, g)
    assert not products.is_quick(h, weight)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-3)
    for one, other in zip(found, (scores, gradients[1], gradients[0]), strict=True):
        assert torch.equal(one, other)  # the same by autograd, to the bit


@pytest.mark.usefixtures("forced", "two_threads")
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_are_the_same_alone_in_company_and_anywhere_in_memory(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, inputs, outputs = shape
    h, weight, g = drawn(5, rows, inputs), drawn(5, inputs, outputs), drawn(5, rows, outputs)
    pairs = [(h, weight), (h.mT, g), (g, weight.mT)]
    alone = [
        torch.cat([products.multiply(a[k:][:1], b[k:][:1]) for k in range(5)]) for a, b in pairs
    ]
    monkeypatch.setattr(products, "SHARED", 0)
    for (a, b), expected in zip(pairs, alone, strict=True):
        assert torch.equal(products.multiply(a, b), expected)
    elsewhere = [(moved(h), moved(weight)), (moved(h).mT, moved(g)), (moved(g), moved(weight).mT)]
    for (a, b), expected in zip(elsewhere, alone, strict=True):
        assert torch.equal(products.multiply(a, b), expected)


@pytest.mark.usefixtures("forced")
def test_how_many_rows_are_measured_together_chooses_nothing() -> None:
    for inputs, outputs in [(64, 64), (64, 128), (16, 600), (256, 256), (500, 2)]:
        weight = torch.empty(2, inputs, outputs)
        with quick(measuring=True):
            chosen = {
                products.is_quick(torch.empty(2, rows, inputs), weight)
                for rows in (32, 64, 320, 992, 2048)
            }
        assert len(chosen) == 1


@pytest.mark.skipif(products.kernels() is None, reason="torch's own products are as fast here")
@pytest.mark.parametrize("inputs", [16, 50, 64, 200, 256, 320, 448, 784])
@pytest.mark.parametrize("outputs", [20, 64, 200, 513])
def test_measured_rows_have_the_same_bits_however_many_come_together(
    inputs: int, outputs: int
) -> None:
    h, weight = drawn(1, 1024, inputs), drawn(1, inputs, outputs)
    whole = products.multiply(h, weight)
    for rows in (32, 64, 96, 320, 992):
        parts = [products.multiply(part, weight) for part in torch.split(h, rows, 1)]
        assert torch.equal(torch.cat(parts, 1), whole)


@pytest.mark.usefixtures("forced")
@pytest.mark.parametrize("kind", ["mlp", "residual_mlp"])
def test_a_wide_trial_has_the_same_weights_in_any_fleet(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand and by autograd; what is measured too."""
    calls = []
    multiply = products.multiply

    def counted(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        calls.append(a.shape)
        return multiply(a, b, out)

    monkeypatch.setattr("worker.networks.dense.multiply", counted)
    shape = {"hidden": [96, 96]} if kind == "mlp" else {"width": 96, "blocks": 1}
    run = small_fleet(
        {"l2": {"strength": 1e-4}, "dropout": {"p": 0.2}},
        {"dropout": {"p": 0.5}},
        {"l1": {"strength": 1e-4}},
        dataset={"builtin": "circle", "rows": 250, "seed": 3},
        network={"kind": kind, **shape},
        training={"epochs": 2, "batch_size": 37},
    )
    alone = trained(FleetRun(run.trials[1:2], run.prepared))
    together = trained(run)
    assert {shape[0] for shape in calls} == {1, 3}
    expected, found = served(alone.result(), 0), served(together.result(), 1)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert alone.results()[0].metrics == together.results()[1].metrics
