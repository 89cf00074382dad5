"""What the pictures of the techniques have in common: size, colours, axes."""

from functools import cache

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

Array = NDArray[np.float64]
BLUE, ORANGE, GRAY = "#3347c9", "#c05a00", "#868b99"

mpl.rcParams.update(
    {
        "svg.fonttype": "none",  # letters stay text: a tenth of the size
        "svg.hashsalt": "parsimony",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "lines.linewidth": 1.8,
    }
)


def new_figure() -> Figure:
    """An empty one, of the size that all have."""
    return Figure(figsize=(6.4, 2.3), layout="constrained")


def axes(figure: Figure, number: int) -> list[Axes]:
    """Axes beside each other; one alone is not stretched over the whole width."""
    if number == 1:
        return [figure.add_subplot(figure.add_gridspec(1, 3)[0, :2])]
    return list(figure.subplots(1, number))


def curve(
    ax: Axes, x: Array, y: Array, across: str, up: str, *, label: str = "", color: str = BLUE
) -> None:
    """A line, and what its axes are."""
    ax.plot(x, y, color=color, label=label or None)
    ax.set(xlabel=across, ylabel=up)


def heat(figure: Figure, matrices: dict[str, Array], across: str, down: str) -> None:
    """Matrices beside each other on one scale, 0 white."""
    largest = max(float(np.abs(matrix).max()) for matrix in matrices.values())
    for ax, (title, matrix) in zip(axes(figure, len(matrices)), matrices.items(), strict=True):
        ax.imshow(matrix, cmap="PuOr_r", vmin=-largest, vmax=largest, aspect="auto")
        ax.set(title=title, xlabel=across, ylabel=down, xticks=[], yticks=[])


def bars(figure: Figure, names: list[str], values: dict[str, Array], across: str, up: str) -> None:
    """Bars of one or two kinds."""
    (ax,) = axes(figure, 1)
    places, width = np.arange(len(names)), 0.8 / len(values)
    for n, (label, heights) in enumerate(values.items()):
        at = places - 0.4 + width * (n + 0.5)
        ax.bar(at, heights, width * 0.9, color=(BLUE, ORANGE)[n], label=label or None)
    ax.set_xticks(places, names)
    ax.set(xlabel=across, ylabel=up)
    if len(values) > 1:
        ax.legend()


def pictured(figure: Figure, images: dict[str, Array], largest: float = 16.0) -> None:
    """Images beside each other, ink on white."""
    for ax, (title, image) in zip(axes(figure, len(images)), images.items(), strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=largest)
        ax.set_title(title)
        ax.set_axis_off()


@cache
def digit(number: int) -> Array:
    """A handwritten digit of scikit-learn's, 32 × 32, 0 to 16."""
    image: Array = np.clip(zoom(load_digits().images[number], 4, order=1), 0, 16)
    return image
