"""A small picture of what each technique does, drawn from its formula while the site is built."""

import io
from collections.abc import Callable

import numpy as np
from figures import BLUE, GRAY, ORANGE, axes, bars, curve, digit, heat, new_figure, pictured
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import rotate

Array = NDArray[np.float64]
Draw = Callable[[Figure], None]
_DRAWN: dict[str, tuple[str, Draw]] = {}


def draws(name: str, caption: str) -> Callable[[Draw], Draw]:
    """Let a function draw the picture of a technique, under this caption."""

    def take(draw: Draw) -> Draw:
        _DRAWN[name] = (caption, draw)
        return draw

    return take


def caption(name: str) -> str | None:
    """What a technique's picture shows, in a sentence; none of one that has no picture yet."""
    return _DRAWN[name][0] if name in _DRAWN else None


def picture(name: str) -> bytes:
    """A technique's picture, as SVG."""
    figure = new_figure()
    _DRAWN[name][1](figure)
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _random() -> np.random.Generator:
    return np.random.default_rng(3)


W = np.linspace(-2.0, 2.0, 201)


def _shrunk(figure: Figure, penalty: Array, step: Array) -> None:
    left, right = axes(figure, 2)
    curve(left, W, penalty, "weight w", "penalty R(w), λ = 1")
    right.plot(W, W, color=GRAY, linestyle=":", label="before")
    curve(right, W, step, "weight before", "weight after", label="after")
    right.legend()


@draws(
    "l1", "Left the penalty. Right a proximal step with ηλ = 0.5: small weights become exactly 0."
)
def _l1(figure: Figure) -> None:
    _shrunk(figure, np.abs(W), np.sign(W) * np.maximum(np.abs(W) - 0.5, 0))


@draws(
    "l2", "Left the penalty. Right a step with ηλ = 0.25: all weights by the same share, none to 0."
)
def _l2(figure: Figure) -> None:
    _shrunk(figure, W**2, W * (1 - 2 * 0.25))


@draws("elastic_net", "Half L1, half L2: small weights become 0, large ones shrink by a share.")
def _elastic_net(figure: Figure) -> None:
    penalty = 0.5 * np.abs(W) + 0.5 * W**2
    _shrunk(figure, penalty, np.sign(W) * np.maximum(np.abs(W) - 0.25, 0) / 1.5)


@draws(
    "group_lasso",
    "Each row is one input's weights. Inputs of little use lose all of theirs at once.",
)
def _group_lasso(figure: Figure) -> None:
    weights = _random().normal(size=(6, 16)) * np.array(
        [[1.0], [0.2], [0.9], [0.25], [0.15], [1.2]]
    )
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    after = weights * np.maximum(1 - 0.35 * np.sqrt(16) / norms, 0)
    heat(figure, {"before": weights, "after a proximal step": after}, "unit", "input")


@draws(
    "orthogonality",
    "WᵀW of eight units, before and after descent on the penalty: it nears identity.",
)
def _orthogonality(figure: Figure) -> None:
    weights = _random().normal(size=(12, 8)) / np.sqrt(12)
    before = weights.T @ weights
    for _ in range(30):
        weights = weights - 0.05 * 4 * weights @ (weights.T @ weights - np.eye(8))
    heat(figure, {"WᵀW before": before, "after 30 steps": weights.T @ weights}, "unit", "unit")


@draws(
    "weight_decay",
    "A weight that the loss leaves alone, by step: it falls by ηλ of itself each time.",
)
def _weight_decay(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    steps = np.arange(301)
    for rate, color in ((1e-3, GRAY), (5e-3, ORANGE), (2e-2, BLUE)):
        curve(ax, steps, (1 - rate) ** steps, "step", "weight", label=f"ηλ = {rate:g}", color=color)
    ax.legend()


@draws("max_norm", "The norm of the weights that enter a unit, before and after: cut at c = 3.")
def _max_norm(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    norm = np.linspace(0, 6, 101)
    ax.plot(norm, norm, color=GRAY, linestyle=":")
    curve(ax, norm, np.minimum(norm, 3), "‖w_u‖ before", "‖w_u‖ after")


@draws(
    "dropout",
    "Rows by units. In training half are 0 and the others doubled; in eval mode all are there.",
)
def _dropout(figure: Figure) -> None:
    h = np.abs(_random().normal(size=(8, 16)))
    kept = _random().random(h.shape) < 0.5
    heat(figure, {"eval": h, "training, p = 0.5": h * kept / 0.5}, "unit", "row")


@draws("spatial_dropout", "Three of six feature maps are left out whole, the others doubled.")
def _spatial_dropout(figure: Figure) -> None:
    maps = [np.roll(digit(0), shift, axis=1) for shift in range(6)]
    kept = (1, 0, 1, 0, 0, 1)
    shown = [2 * one if keep else np.zeros_like(one) for one, keep in zip(maps, kept, strict=True)]
    pictured(figure, {f"map {n + 1}": one for n, one in enumerate(shown)}, largest=32)


@draws(
    "alpha_dropout", "SELU's units: dropped ones get its lowest value; mean 0 and variance 1 stay."
)
def _alpha_dropout(figure: Figure) -> None:
    alpha, scale, p = 1.6732632, 1.0507010, 0.2
    z = _random().normal(size=20000)
    h = scale * np.where(z > 0, z, alpha * (np.exp(np.minimum(z, 0)) - 1))
    low, q = -scale * alpha, 1 - p
    a = (q + low**2 * q * p) ** -0.5
    dropped = a * np.where(_random().random(h.shape) < q, h, low) - a * p * low
    left, right = axes(figure, 2)
    for ax, values, title in ((left, h, "eval"), (right, dropped, "training, p = 0.2")):
        ax.hist(values, bins=60, color=BLUE, density=True)
        ax.set_title(f"{title}: mean {values.mean():.2f}, sd {values.std():.2f}")
        ax.set_xlabel("unit")


@draws(
    "drop_connect", "A layer's weights. Half of them are 0 in a training step; the units all stay."
)
def _drop_connect(figure: Figure) -> None:
    weights = _random().normal(size=(8, 16))
    kept = _random().random(weights.shape) < 0.5
    heat(
        figure, {"eval": weights, "training, p = 0.5": weights * kept / 0.5}, "to unit", "from unit"
    )


@draws(
    "stochastic_depth",
    "How often each of ten residual branches is skipped: the deeper the more, up to p = 0.5.",
)
def _stochastic_depth(figure: Figure) -> None:
    bars(figure, [str(n) for n in range(1, 11)], {"": 0.5 * np.arange(1, 11) / 10}, "block", "p_l")


@draws(
    "shake_drop",
    "The factor of a residual branch over 60 steps of training: 1, or anything from −1 to 1.",
)
def _shake_drop(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    random = _random()
    b, a = random.random(60) < 0.5, random.uniform(-1, 1, 60)
    ax.stem(np.arange(60), np.where(b, 1, a), linefmt=BLUE, markerfmt=".", basefmt=" ")
    ax.set(xlabel="step", ylabel="b + α − bα")


@draws(
    "shake_shake",
    "How much each of two branches counts, over 30 steps of training; in eval mode half each.",
)
def _shake_shake(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    share = _random().random(30)
    ax.bar(np.arange(30), share, color=BLUE, label="first branch")
    ax.bar(np.arange(30), 1 - share, bottom=share, color=ORANGE, label="second")
    ax.axhline(0.5, color="black", linewidth=1)
    ax.set(xlabel="step", ylabel="share")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _scaled() -> Array:
    random = _random()
    scale, shift = random.uniform(0.3, 2, 12), random.normal(0, 1.5, 12)
    values: Array = random.normal(size=(10, 12)) * scale + shift
    return values


@draws(
    "batch_norm", "Rows by units: each unit, a column, gets mean 0 and variance 1 over the batch."
)
def _batch_norm(figure: Figure) -> None:
    h = _scaled()
    heat(figure, {"before": h, "after": (h - h.mean(0)) / h.std(0)}, "unit", "row")


@draws("layer_norm", "Rows by units: each row gets mean 0 and variance 1 over its units.")
def _layer_norm(figure: Figure) -> None:
    h = _scaled()
    after = (h - h.mean(1, keepdims=True)) / h.std(1, keepdims=True)
    heat(figure, {"before": h, "after": after}, "unit", "row")


@draws("noise", "200 rows of two columns, and the same as three epochs see them, σ = 0.1.")
def _noise(figure: Figure) -> None:
    random = _random()
    angle = random.uniform(0, 2 * np.pi, 200)
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    for ax, epochs, title in zip(axes(figure, 2), (0, 3), ("eval", "training"), strict=True):
        for _ in range(max(epochs, 1)):
            seen = x + (0.1 if epochs else 0) * random.normal(size=x.shape)
            ax.scatter(*seen.T, s=4, color=BLUE, alpha=0.6, rasterized=True)
        ax.set(title=title, aspect="equal", xlabel="x₁", ylabel="x₂")


@draws(
    "class_weights", "882 rows of class 0 and 118 of class 1: what each class weighs in the loss."
)
def _class_weights(figure: Figure) -> None:
    counts = np.array([882.0, 118.0])
    balanced = counts * (1000 / (2 * counts))
    shares = {"all alike": counts / 1000, "balanced": balanced / 1000}
    bars(figure, ["class 0", "class 1"], shares, "", "share of the loss")


@draws(
    "label_smoothing",
    "The target of a row of class 2 among four, with s = 0.2: never quite certain.",
)
def _label_smoothing(figure: Figure) -> None:
    hard = np.array([0.0, 0.0, 1.0, 0.0])
    targets = {"hard": hard, "smoothed": 0.8 * hard + 0.2 / 4}
    bars(figure, [str(n) for n in range(4)], targets, "class", "target")


@draws(
    "confidence_penalty",
    "The negative entropy of two classes: least where the network is least certain.",
)
def _confidence_penalty(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    p = np.linspace(1e-6, 1 - 1e-6, 201)
    curve(ax, p, p * np.log(p) + (1 - p) * np.log(1 - p), "probability of class 1", "r = −H(p)")


@draws("jacobian", "Two fits of the same points. The penalty wants the one whose slope is small.")
def _jacobian(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    random = _random()
    x = np.linspace(0, 1, 12)
    y = np.sin(2 * np.pi * x) + random.normal(0, 0.25, 12)
    fine = np.linspace(0, 1, 200)
    for degree, color, name in ((10, ORANGE, "steep"), (4, BLUE, "small slopes")):
        fit = np.polynomial.Polynomial.fit(x, y, degree)
        ax.plot(fine, fit(fine), color=color, label=name)
    ax.scatter(x, y, s=14, color="black", zorder=3)
    ax.set(xlabel="input", ylabel="score", ylim=(-2, 2))
    ax.legend()


@draws("random_crop", "A digit, and three windows cut out of it with 4 pixels of padding.")
def _random_crop(figure: Figure) -> None:
    padded = np.pad(digit(0), 4)
    cuts = ((0, 2), (7, 5), (3, 8))
    crops = {f"crop {n + 1}": padded[a : a + 32, b : b + 32] for n, (a, b) in enumerate(cuts)}
    pictured(figure, {"row": digit(0), **crops})


@draws(
    "flip",
    "A digit, mirrored horizontally, and vertically. Digits do not stand it; photographs do.",
)
def _flip(figure: Figure) -> None:
    image = digit(7)
    pictured(figure, {"row": image, "horizontal": image[:, ::-1], "vertical": image[::-1]})


@draws("rotation", "A digit, and three turns within 15 degrees.")
def _rotation(figure: Figure) -> None:
    image = digit(0)
    turned = {f"{d:+d}°": rotate(image, d, reshape=False, order=1) for d in (-12, 6, 14)}
    pictured(figure, {"row": image, **turned})


@draws("color_jitter", "A digit, brighter, darker, with less contrast.")
def _color_jitter(figure: Figure) -> None:
    image = digit(0)
    mean = image.mean()
    changed = {"b = +4": image + 4, "b = −4": image - 4, "c = 0.5": 0.5 * (image - mean) + mean}
    pictured(figure, {"row": image, **changed})


@draws("image_noise", "A digit, and three draws of noise with σ = 0.1 of its range.")
def _image_noise(figure: Figure) -> None:
    random, image = _random(), digit(0)
    noisy = {f"draw {n + 1}": image + 1.6 * random.normal(size=image.shape) for n in range(3)}
    pictured(figure, {"row": image, **noisy})


@draws("erasing", "A digit, and two rectangles of it hidden behind noise, a third behind 0.")
def _erasing(figure: Figure) -> None:
    random, shown = _random(), {"row": digit(0)}
    for n, (top, left, high, wide) in enumerate(((4, 6, 10, 12), (16, 12, 12, 8), (8, 2, 8, 20))):
        image = digit(0).copy()
        fill = random.uniform(0, 16, (high, wide)) if n < 2 else 0.0
        image[top : top + high, left : left + wide] = fill
        shown["noise" if n == 0 else "noise " if n == 1 else "zeros"] = image
    pictured(figure, shown)


@draws("cutout", "Rows by columns of a table: a fifth of the columns of a row is set to 0.")
def _cutout(figure: Figure) -> None:
    random = _random()
    x = random.normal(size=(8, 15))
    kept = np.ones_like(x)
    for row in kept[::2]:
        row[random.choice(15, 3, replace=False)] = 0
    heat(figure, {"rows": x, "training, p = 0.5": x * kept}, "column", "row")


@draws("mixup", "Two rows, and one between them: 0.7 of the first, with 0.7 of its label.")
def _mixup(figure: Figure) -> None:
    a, b = digit(0), digit(1)
    pictured(figure, {"a zero": a, "a one": b, "0.7 zero, 0.3 one": 0.7 * a + 0.3 * b})


@draws(
    "cutmix",
    "Two rows, and the first with a part of the second; the label has its share of pixels.",
)
def _cutmix(figure: Figure) -> None:
    a, b = digit(0), digit(1)
    mixed = a.copy()
    mixed[:20, 14:] = b[:20, 14:]
    pictured(figure, {"a zero": a, "a one": b, "0.65 zero, 0.35 one": mixed})


@draws(
    "adversarial",
    "Rows of two classes, each moved by ε where the loss grows most: to the boundary.",
)
def _adversarial(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    random = _random()
    for center, color, toward in ((-0.8, BLUE, 1), (0.8, ORANGE, -1)):
        x = random.normal((center, 0), 0.35, (14, 2))
        moved = x + 0.25 * np.array([toward, -toward])
        ax.scatter(*x.T, s=14, color=color)
        for before, after in zip(x, moved, strict=True):
            ax.annotate("", after, before, arrowprops={"arrowstyle": "->", "color": color})
    ax.plot([-1.2, 1.2], [-1.2, 1.2], color=GRAY, linestyle="--")
    ax.set(xlabel="x₁", ylabel="x₂", aspect="equal", xlim=(-2.2, 2.2), ylim=(-1.3, 1.3))


def _path() -> Array:
    """A weight as stochastic steps move it: it falls, then it trembles."""
    steps = np.arange(200)
    path: Array = np.exp(-steps / 30) + 0.12 * _random().normal(size=200)
    return path


@draws(
    "lookahead",
    "A weight by step: after every five the fast one goes back half the way to the slow one.",
)
def _lookahead(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    moves, fast, slow = np.diff(_path()[:80], prepend=1.2), 1.2, 1.2
    seen: list[tuple[float, float]] = []
    for step, move in enumerate(moves, 1):
        fast += float(move)
        if step % 5 == 0:
            slow += 0.5 * (fast - slow)
            fast = slow
        seen.append((fast, slow))
    quick, lazy = np.array(seen).T
    curve(ax, np.arange(80), quick, "step", "weight", label="fast", color=GRAY)
    curve(ax, np.arange(80), lazy, "step", "weight", label="slow", color=BLUE)
    ax.legend()


@draws("ema", "A weight by step, and its moving average with β = 0.95, which is what answers.")
def _ema(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    path, mean, means = _path(), 0.0, []
    for step, weight in enumerate(path):
        beta = min(0.95, (1 + step) / (10 + step))
        mean = beta * mean + (1 - beta) * float(weight) if step else float(weight)
        means.append(mean)
    curve(ax, np.arange(200), path, "step", "weight", label="trained", color=GRAY)
    curve(ax, np.arange(200), np.array(means), "step", "weight", label="answers", color=BLUE)
    ax.legend()


@draws("swa", "A weight by epoch, and from the last quarter on the mean of its values so far.")
def _swa(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    path = _path()
    means = np.cumsum(path[150:]) / np.arange(1, 51)
    curve(ax, np.arange(200) / 4, path, "epoch", "weight", label="trained", color=GRAY)
    curve(ax, np.arange(150, 200) / 4, means, "epoch", "weight", label="answers", color=BLUE)
    ax.legend()


@draws(
    "snapshot_ensemble", "The learning rate of three cycles; a network is kept at the end of each."
)
def _snapshot_ensemble(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    epochs = np.arange(0, 60, 0.25)
    rate = 0.5 * (1 + np.cos(np.pi * (epochs % 20) / 20))
    curve(ax, epochs, rate, "epoch", "learning rate")
    ax.scatter([20, 40, 60], [0, 0, 0], color=ORANGE, zorder=3, label="kept")
    ax.legend()


@draws("early_stopping", "Training stops five epochs after the best, whose weights answer.")
def _early_stopping(figure: Figure) -> None:
    (ax,) = axes(figure, 1)
    epochs = np.arange(1, 31)
    train, validation = 0.6 * np.exp(-epochs / 8), 0.6 * np.exp(-epochs / 6) + 0.006 * epochs + 0.08
    best = int(np.argmin(validation))
    curve(ax, epochs, train, "epoch", "loss", label="training rows", color=GRAY)
    curve(ax, epochs, validation, "epoch", "loss", label="validation rows", color=BLUE)
    ax.axvline(epochs[best], color=ORANGE, linestyle="--", label="best")
    ax.axvspan(epochs[best] + 5, 30, color=GRAY, alpha=0.25, label="not trained")
    ax.legend()
