"""Shapes are held against what a verb declares, in tests."""

import pytest
import torch
from torch import Tensor

from tests.weights import weights
from worker import shapes
from worker.regularization import PerTrial, techniques
from worker.regularization.families.penalty import Penalty
from worker.regularization.l1 import L1
from worker.regularization.technique import Technique
from worker.shapes import ShapeError, inherit_shapes, shaped


@shaped(x="K B …", w="K F 2", step="K|1", returns="K F")
def verb(x: Tensor, w: Tensor, step: float | Tensor = 1.0) -> Tensor:
    """Gives w's first column, or something else where x is empty."""
    return w[:, :, 0] if x.numel() else w


def test_what_fits_passes() -> None:
    w = torch.ones(3, 5, 2)
    assert verb(torch.ones(3, 4), w).shape == (3, 5)
    assert verb(torch.ones(3, 4, 7, 7), w=w, step=torch.ones(1)).shape == (3, 5)
    assert verb(torch.ones(3, 4), w, 0.5).shape == (3, 5)


@pytest.mark.parametrize(
    ("x", "w", "step", "message"),
    [
        ((3,), (3, 5, 2), (1,), r"verb: x is to be \[K B …\] and is \[3\]"),
        ((3, 4), (2, 5, 2), (1,), r"w is to be \[K F 2\] and is \[2, 5, 2\], where K = 3, B = 4"),
        ((3, 4), (3, 5, 3), (1,), r"w is to be \[K F 2\] and is \[3, 5, 3\]"),
        ((3, 4), (3, 5, 2), (2,), r"step is to be \[K\|1\] and is \[2\]"),
        ((3, 0), (3, 5, 2), (3,), r"what it returns is to be \[K F\] and is \[3, 5, 2\]"),
    ],
)
def test_what_does_not_fit_is_told(
    x: tuple[int, ...], w: tuple[int, ...], step: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        verb(torch.ones(x), torch.ones(w), torch.ones(step))
    with pytest.raises(ShapeError, match=message):
        verb(step=torch.ones(step), w=torch.ones(w), x=torch.ones(x))


def test_a_name_that_is_no_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="has no argument v"):
        shaped(v="K")(lambda w: w)


def test_overrides_inherit_the_declaration() -> None:
    class Base:
        @staticmethod
        @shaped(w="K P", returns="K")
        def value(w: Tensor) -> Tensor:
            return w.sum(1)

    class Member(Base):
        @staticmethod
        def value(w: Tensor) -> Tensor:
            return w.sum(1, keepdim=True)

    assert Member.value(torch.ones(2, 3)).shape == (2, 1)
    inherit_shapes(Member)
    with pytest.raises(ShapeError, match=r"Member.value: what it returns is to be \[K\]"):
        Member.value(torch.ones(2, 3))


@pytest.mark.parametrize("name", [n for n, t in techniques().items() if issubclass(t, Penalty)])
def test_every_penalty_is_checked(name: str) -> None:
    technique = techniques()[name]
    assert issubclass(technique, Penalty)
    w, index = weights(2)
    terms = technique.terms(PerTrial((technique.usual(), None)), index)
    with pytest.raises(ShapeError, match=f"{technique.__name__}.gradient"):
        technique.gradient(w[0], terms)


def test_nothing_is_wrapped_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "ENABLED", False)

    def plain(w: Tensor) -> Tensor:
        return w

    assert shaped(w="K P")(plain) is plain
    assert issubclass(L1, Technique)
