"""How a dropout probability varies from the first hidden layer to the last."""

from typing import Literal

Profile = Literal["brick", "funnel", "long_funnel", "diamond", "hexagon", "triangle", "stairs"]


def shares(profile: Profile, sites: int) -> tuple[float, ...]:
    """The share of p at each of ``sites`` layers; the largest is 1.

    `brick` is 1 everywhere, `triangle` rises, `funnel` falls, `long_funnel` is a brick and then a
    funnel, `diamond` rises and falls, `hexagon` rises, stays and falls, `stairs` falls by twos.
    The profiles are those of Kadra et al. 2021, arXiv:2106.11189 (in Auto-PyTorch), not rounded.
    """
    n = sites
    half, third = max((n + 1) // 2, 1), (n + 1) // 3
    match profile:
        case "brick":
            profile_shares = [1.0] * n
        case "triangle":
            profile_shares = _rise(n, n)
        case "funnel":
            profile_shares = _fall(n)
        case "long_funnel":
            profile_shares = [1.0] * half + _fall(n - half)
        case "diamond":
            profile_shares = _rise(half - 1, half) + _fall(n - half + 1)
        case "hexagon":
            profile_shares = _rise(third, third) + [1.0] * (n - 2 * third) + _fall(third)
        case "stairs":
            profile_shares = [1 - 2 / n * ((site + n % 2) // 2) for site in range(n)]
    return tuple(profile_shares[:n])


def _rise(steps: int, height: int) -> list[float]:
    return [(step + 1) / height for step in range(steps)]


def _fall(steps: int) -> list[float]:
    return [1 - step / steps for step in range(steps)]
