"""How a dropout probability varies from the first hidden layer to the last."""

from typing import Literal

Profile = Literal["brick", "funnel", "long_funnel", "diamond", "hexagon", "triangle", "stairs"]


def shares(shape: Profile, places: int) -> tuple[float, ...]:
    """The share of p at each of so many places; the largest is 1.

    `brick` is 1 everywhere, `triangle` rises, `funnel` falls, `long_funnel` is a brick and then a
    funnel, `diamond` rises and falls, `hexagon` rises, stays and falls, `stairs` falls by twos.
    The shapes are those of Kadra et al. 2021, arXiv:2106.11189 (in Auto-PyTorch), not rounded.
    """
    n = places
    half, third = max((n + 1) // 2, 1), (n + 1) // 3
    match shape:
        case "brick":
            found = [1.0] * n
        case "triangle":
            found = _rise(n, n)
        case "funnel":
            found = _fall(n)
        case "long_funnel":
            found = [1.0] * half + _fall(n - half)
        case "diamond":
            found = _rise(half - 1, half) + _fall(n - half + 1)
        case "hexagon":
            found = _rise(third, third) + [1.0] * (n - 2 * third) + _fall(third)
        case "stairs":
            found = [1 - 2 / n * ((place + n % 2) // 2) for place in range(n)]
    return tuple(found[:n])


def _rise(steps: int, whole: int) -> list[float]:
    return [(step + 1) / whole for step in range(steps)]


def _fall(steps: int) -> list[float]:
    return [1 - step / steps for step in range(steps)]
