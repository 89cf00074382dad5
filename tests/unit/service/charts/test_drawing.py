"""Every kind of mark, drawn: of the size asked for, with nothing at the edges."""

import io
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from service.charts.chartjs import chartjs
from service.charts.classifier import expected_calibration_error
from service.charts.curves import CurveGroup, curves_picture
from service.charts.drawing import draw
from service.charts.palette import look
from service.charts.picture import (
    Bars,
    Cells,
    Line,
    Panel,
    Picture,
    PictureAxis,
    Shade,
    axis_over,
    name_of,
)
from service.charts.surface import surface_picture
from worker.results import Bin, Calibration, Surface

LONG = "a name of $many$ words_that_has_no_end <script>-->日本 & so on"
STEEP = tuple(10.0**-n for n in range(12))


def many_lines(count: int = 24) -> Picture:
    groups = [
        CurveGroup(
            n, f"_{n} {LONG}", tuple({"validation_loss": [1.0, 0.5 + s]} for s in (0.0, 0.2))
        )
        for n in range(count)
    ]
    return curves_picture(
        groups,
        metric="validation_loss",
        winner=0,
        job_name=LONG,
        task="binary",
        asked="validation_loss",
    )


def stacked() -> Picture:
    x = tuple(float(n) for n in range(12))
    return Picture(
        title=LONG,
        note=LONG * 3,
        x=axis_over("log λ", x),
        panels=tuple(
            Panel(
                axis_over(f"{share} words of a label that takes several lines to write", STEEP),
                (Line(name_of(LONG), x, STEEP, look(share)),),
                share,
            )
            for share in (4, 2, 3)
        ),
    )


def bars() -> Picture:
    names = tuple(name_of(f"{n} {LONG}") for n in range(6))
    marks = (
        Bars("helps", (0.0, 2.0), (0.1, 0.2), (0.4, 0.3)),
        Bars("95 % interval", (0.0, 2.0), (0.0, 0.1), (0.5, 0.4), width=None),
    )
    panel = Panel(axis_over("Loss", [0, 0.5]), marks)
    return Picture("Attribution", "", PictureAxis("Technique", names=names), (panel,))


def cells(size: int = 6) -> Picture:
    names = tuple(name_of(f"{n} {LONG}") for n in range(size))
    grid = Cells(
        (Shade("0 to 50 %", "#f7fbff"), Shade("50 to 100 %", "#0f5aa3")),
        tuple(tuple((None, 0, 1)[(r + c) % 3] for c in range(size)) for r in range(size)),
        tuple(("1234",) * size for _ in range(size)),
        "no configuration",
    )
    panel = Panel(PictureAxis("True class", names=names), (grid,))
    return Picture("Confusion", LONG, PictureAxis("Answered class", names=names), (panel,))


PICTURES = {"lines": many_lines(), "stacked": stacked(), "bars": bars(), "cells": cells()}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("width", "height", "density"), [(800, 500, 1), (480, 360, 2)])
def test_a_png_has_the_size_asked_for_and_nothing_is_cut_off(
    name: str, width: int, height: int, density: int
) -> None:
    content = draw(PICTURES[name], "png", width=width, height=height, density=density)
    image = Image.open(io.BytesIO(content))
    assert image.size == (width * density, height * density)
    pixels = np.asarray(image.convert("L"))
    edges = (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:])
    assert [edge.min() for edge in edges] == [255] * 4
    assert pixels.min() < 60  # and something is there


@pytest.mark.parametrize("name", ["lines", "cells"])
def test_an_svg_has_the_size_asked_for_and_holds_no_markup_of_names(name: str) -> None:
    content = draw(PICTURES[name], "svg", width=640, height=400)
    root = ET.fromstring(content)
    # 1 pt is 4/3 of a page's pixel: CSS Values 4, "absolute lengths".
    assert (root.get("width"), root.get("height")) == ("480pt", "300pt")
    assert not [node for node in root.iter() if node.tag.endswith(("script", "text"))]
    assert content == draw(PICTURES[name], "svg", width=640, height=400)


def test_threads_draw_the_same() -> None:
    alone = draw(bars(), "png", width=480, height=360)
    drawn: list[bytes] = []

    def work() -> None:
        drawn.append(draw(bars(), "png", width=480, height=360))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [alone] * 3


def test_empty_cells_are_told_apart() -> None:
    def bins(count: int) -> list[Bin]:
        return [Bin(low=float(n), high=n + 1.0) for n in range(count)]

    surface = Surface(
        x="regularization.l1.strength",
        y="regularization.dropout.p",
        x_log=True,
        y_log=False,
        x_bins=bins(3),
        y_bins=bins(2),
        mean=[[0.1, None, 0.3], [0.2, 0.4, None]],
        best=[[0.1, None, 0.3], [0.2, 0.4, None]],
        count=[[2, 0, 1], [1, 1, 0]],
    )
    for maximize in (False, True):
        picture = surface_picture(
            surface, objective="validation_loss", maximize=maximize, job_name="", task="binary"
        )
        chart = chartjs(picture)
        *shades, empty = chart.data.datasets
        assert [len(shade["data"]) for shade in shades] == [1, 1, 1, 1]
        best = shades[0]
        assert best["label"] == ("0.4" if maximize else "0.1")
        assert best["backgroundColor"] == "#00224e"  # the darkest
        assert best["data"] == [
            {"x": 1, "y": [0.5, 1.5]} if maximize else {"x": 0, "y": [-0.5, 0.5]}
        ]
        assert empty["label"] == "no configuration"
        assert [place["x"] for place in empty["data"]] == [1, 2]
        assert empty["backgroundColor"] not in {shade["backgroundColor"] for shade in shades}
        assert chart.options["plugins"]["tooltip"] == {"enabled": False}
        written = [
            axis["labels"] for name, axis in chart.options["scales"].items() if "Row" in name
        ]
        assert sorted(text for row in written for text in row if text) == [
            "0.1 (2)",
            "0.2 (1)",
            "0.3 (1)",
            "0.4 (1)",
        ]
    with_gap = draw(picture, "png", width=480, height=360)
    filled = replace(picture, panels=(replace(picture.panels[0], marks=()),))
    assert with_gap != draw(filled, "png", width=480, height=360)


def test_the_calibration_error_is_that_of_the_bins() -> None:
    """By hand: (90 · .05 + 10 · .3) / 100."""
    bins = Calibration(probability=[0.05, 0.9], frequency=[0.1, 0.6], rows=[90, 10])
    assert expected_calibration_error(bins) == pytest.approx(0.075)
    empty = Calibration(probability=[], frequency=[], rows=[])
    assert expected_calibration_error(empty) == 0
