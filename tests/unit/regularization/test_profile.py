"""The shapes of dropout over the layers."""

from typing import get_args

import pytest

from worker.regularization.profile import Profile, shares

# Worked by hand from the construction of Auto-PyTorch: so many units in each layer before an
# output of 0, of 1,000 at most, here in thousandths and without its rounding.
BY_HAND: list[tuple[Profile, list[float]]] = [
    ("brick", [1, 1, 1, 1]),
    ("triangle", [1 / 4, 2 / 4, 3 / 4, 1]),
    ("funnel", [1, 3 / 4, 2 / 4, 1 / 4]),
    ("long_funnel", [1, 1, 1, 1 / 2]),
    ("diamond", [1 / 2, 1, 2 / 3, 1 / 3]),
    ("hexagon", [1, 1, 1, 1]),
    ("stairs", [1, 1, 1 / 2, 1 / 2]),
    ("hexagon", [1 / 2, 1, 1, 1, 1 / 2]),
    ("stairs", [1, 3 / 5, 3 / 5, 1 / 5, 1 / 5]),
    ("diamond", [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]),
]


@pytest.mark.parametrize(("shape", "expected"), BY_HAND)
def test_as_worked_by_hand(shape: Profile, expected: list[float]) -> None:
    assert shares(shape, len(expected)) == pytest.approx(expected)


@pytest.mark.parametrize("shape", get_args(Profile))
@pytest.mark.parametrize("places", range(20))
def test_one_share_a_place_and_the_largest_is_all_of_it(shape: Profile, places: int) -> None:
    found = shares(shape, places)
    assert len(found) == places
    assert all(0 < share <= 1 for share in found)
    assert not places or max(found) == pytest.approx(1)
