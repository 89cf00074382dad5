"""Colours that everybody tells apart: computed from published matrices and bounds."""

import re
from itertools import combinations, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from service.charts.palette import (
    BLACK,
    BLUE,
    COLOURS,
    FILL,
    GRAY,
    MARKERS,
    SHADES,
    SHARES,
    SKY,
    VERMILION,
    contrast,
    ink,
    look,
    luminance,
)
from tests.source import ROOT

Vector = NDArray[np.float64]
SEEN_BY = {
    "everybody": np.eye(3),
    # Machado, Oliveira & Fernandes 2009, IEEE TVCG 15 (6), severity 1.0, of linear RGB.
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# IEC 61966-2-1: linear RGB to CIE XYZ, white D65.
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = XYZ @ np.ones(3)


def linear(colour: str) -> Vector:
    parts = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: Vector) -> Vector:
    """CIELAB of linear RGB: CIE 15."""
    x, y, z = (
        float(np.cbrt(t)) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116
        for t in XYZ @ np.clip(rgb, 0, 1) / WHITE
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colours: tuple[str, ...], matrix: Vector) -> float:
    """The smallest distance of two of them, CIE 1976, as seen through a matrix."""
    places = [lab(matrix @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(places, 2))


def test_the_measure_finds_what_is_known_to_be_hard() -> None:
    """Green and red, here those of the owner's example, in deuteranopia; yellow on white."""
    pair = ("#4CAF50", "#F44336")
    assert nearest(pair, SEEN_BY["everybody"]) > 100
    assert nearest(pair, SEEN_BY["deuteranopia"]) < 18
    assert contrast("#FFC107") < 3
    assert contrast("#000000") == pytest.approx(21)


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_lines_differ_in_colour_for_all_eyes(eyes: str) -> None:
    assert nearest(COLOURS, SEEN_BY[eyes]) >= 18
    assert nearest((BLUE, VERMILION, GRAY), SEEN_BY[eyes]) >= 18  # helps, harms, unclear
    assert nearest((SKY, GRAY), SEEN_BY[eyes]) >= 18  # clear, may be chance


@pytest.mark.parametrize("colour", [*COLOURS, GRAY])
def test_lines_stand_out_from_white(colour: str) -> None:
    assert contrast(colour) >= 3  # WCAG 2.2, 1.4.11


def test_no_two_of_forty_two_lines_look_alike() -> None:
    looks = [(look(n).colour, look(n).marker) for n in range(len(COLOURS) * len(MARKERS))]
    assert len(set(looks)) == len(looks) == 42
    assert [look(n).marker for n in range(6)] == list(MARKERS)
    assert look(0, thick=True).width > 2 * look(0).width


@pytest.mark.parametrize("steps", [SHADES, SHARES])
def test_steps_go_one_way_for_all_eyes_and_carry_text(steps: tuple[str, ...]) -> None:
    for matrix in SEEN_BY.values():
        lightness = [lab(matrix @ linear(colour))[0] for colour in steps]
        assert lightness in (sorted(lightness), sorted(lightness, reverse=True))
        assert min(abs(a - b) for a, b in pairwise(lightness)) > 4
    assert all(contrast(ink(colour), colour) >= 4.5 for colour in steps)  # WCAG 2.2, 1.4.3
    assert luminance(BLACK) == 0


def mixed(colour: str, share: float, ground: str) -> str:
    """A colour of this opacity on a ground, as browsers mix them."""
    parts = ((int(colour[n : n + 2], 16), int(ground[n : n + 2], 16)) for n in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02X}" for a, b in parts)


def on_dark_ground() -> tuple[dict[str, str], str]:
    """Each colour's twin, and the ground, as the pages have them."""
    static = ROOT / "service" / "web" / "static"
    table = (static / "charts.js").read_text(encoding="utf-8").partition("const LIGHT = {")[2]
    twins = dict(re.findall(r'"(#\w{6})": "(#\w{6})"', table.partition("};")[0]))
    dark = (static / "style.css").read_text(encoding="utf-8").partition('[data-theme="dark"]')[2]
    return twins, re.findall(r"--panel: (#\w{6});", dark)[0]


def test_what_bars_say_is_seen_and_so_are_the_intervals_that_end_in_them() -> None:
    twins, panel = on_dark_ground()
    of_bars = (BLUE, VERMILION, GRAY, SKY)
    light = {colour: mixed(colour, FILL, "#FFFFFF") for colour in of_bars}
    dark = {colour: mixed(twins[colour], FILL, panel) for colour in of_bars}
    assert min(contrast(BLACK, fill) for fill in light.values()) >= 4.5
    assert min(contrast(twins[BLACK], fill) for fill in dark.values()) >= 3
    for fills, least in ((light, 18), (dark, 12)):  # their edges have the colours themselves
        for matrix in SEEN_BY.values():
            assert nearest((fills[BLUE], fills[VERMILION], fills[GRAY]), matrix) >= least
            assert nearest((fills[SKY], fills[GRAY]), matrix) >= least


def test_on_dark_ground_lines_have_twins_that_differ_as_much() -> None:
    twins, panel = on_dark_ground()
    assert set(twins) == {*COLOURS, GRAY}
    for matrix in SEEN_BY.values():
        assert nearest(tuple(twins[colour] for colour in COLOURS), matrix) >= 18
        assert nearest((twins[BLUE], twins[VERMILION], twins[GRAY]), matrix) >= 18
    assert all(contrast(twin, panel) >= 3 for twin in twins.values())
