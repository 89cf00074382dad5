"""Each augmentation of images against what it says it does."""

import math

import pytest
import torch
from torch import Generator
from torch.nn import functional

from tests.batches import IMAGE, altered, batch
from worker.regularization.color_jitter import gray
from worker.regularization.random_crop import shifted
from worker.regularization.rotation import turned

STRIPES = ((3 * torch.arange(5.0).view(5, 1) + 7 * torch.arange(6.0)) % 11) / 10
"""A small image ``[5, 6]`` without a symmetry."""


def test_a_crop_is_a_window_of_the_padded_image() -> None:
    """Every image is one of the (2m + 1)² windows, and each window comes up."""
    rows = batch(IMAGE, trials=2, rows=600)
    found = altered(rows, "random_crop", {"padding": 1}, None).x
    padded = functional.pad(rows.x[0], (1, 1, 1, 1))
    windows = torch.stack(
        [padded[..., i : i + 8, j : j + 6] for i in range(3) for j in range(3)]
    )  # [9, B, C, H, W]
    hits = (windows == found[0]).flatten(2).all(2)
    assert bool(hits.any(0).all())
    shares = hits.double().mean(1)
    torch.testing.assert_close(shares, torch.full_like(shares, 1 / 9), atol=0.05, rtol=0)


def test_a_shift_beyond_the_border_leaves_zeros() -> None:
    x = torch.ones(1, 2, 1, 4, 4)
    found = shifted(x, torch.tensor([[4, 1]]), torch.tensor([[0, -2]]))
    assert not found[0, 0].any()
    assert found[0, 1, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]


def test_flips_are_mirror_images_at_their_rates() -> None:
    rows = batch(IMAGE, trials=3, rows=2000)
    settings = [{"horizontal": 0.25, "vertical": 0.0}, {"horizontal": 0.0, "vertical": 0.5}, {}]
    found = altered(rows, "flip", *settings).x
    for trial, (axis, rate) in enumerate([(-1, 0.25), (-2, 0.5), (-1, 0.5)]):
        turned_over = (found[trial] == rows.x[trial].flip(axis)).flatten(1).all(1)
        assert bool((turned_over | (found[trial] == rows.x[trial]).flatten(1).all(1)).all())
        assert turned_over.double().mean() == pytest.approx(rate, abs=0.04)


def test_a_quarter_turn_is_exact() -> None:
    """Anticlockwise, as numpy's rot90; a turn by nothing changes nothing but rounding."""
    x = torch.randn(2, 3, 1, 9, 9)
    quarters = torch.tensor([[0.0, 90.0, -90.0], [180.0, 90.0, 0.0]])
    found = turned(x, quarters)
    for trial in range(2):
        for row in range(3):
            times = int(quarters[trial, row]) // 90
            expected = x[trial, row].rot90(times, (-2, -1))
            torch.testing.assert_close(found[trial, row], expected, atol=1e-4, rtol=1e-4)


def test_a_turned_picture_is_the_known_one() -> None:
    """Values of kornia 0.9's `rotate`, computed in double precision."""
    images = STRIPES.expand(1, 2, 1, 5, 6)
    expected = torch.tensor(
        [
            [
                [0.010160, 0.228246, 0.960168, 0.744014, 0.581802, 0.219512],
                [0.516644, 0.534808, 0.410761, 0.435409, 0.363981, 0.411474],
                [0.459456, 0.774880, 0.798205, 0.583373, 0.405385, 0.208975],
                [0.404784, 0.354423, 0.397492, 0.382652, 0.390201, 0.560417],
                [0.249399, 0.814230, 0.617820, 0.421410, 0.041635, 0.008356],
            ],
            [
                [0.230124, 0.792146, 0.446336, 0.796562, 0.660717, 0.008038],
                [0.601317, 0.500871, 0.453278, 0.713849, 0.381679, 0.160220],
                [0.308288, 0.240251, 0.562060, 0.496801, 0.540857, 0.553702],
                [0.037554, 0.216050, 0.611924, 0.322576, 0.807985, 0.474526],
                [0.006561, 0.648049, 0.320649, 0.451395, 0.581262, 0.222927],
            ],
        ]
    )
    found = turned(images, torch.tensor([[30.0, -72.5]]))[0, :, 0]
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(1, 5), (5, 1), (1, 1)])
def test_a_picture_one_pixel_wide_turns_without_a_warning(height: int, width: int) -> None:
    x = torch.arange(1.0, 1 + height * width).view(1, 1, 1, height, width)
    half = turned(x, torch.tensor([[180.0]]))
    torch.testing.assert_close(half, x.flip(-1, -2), atol=1e-4, rtol=0)


def test_angles_stay_within_the_range() -> None:
    """A bright pixel right of the centre moves along its circle by no more than d."""
    x = torch.zeros(1, 400, 1, 41, 41)
    x[..., 20, 35] = 1.0
    images = batch(IMAGE, trials=1, rows=400)
    found = altered(type(images)(x, images.y, 3), "rotation", {"degrees": 30.0}).x[0, :, 0]
    grid = torch.arange(41) - 20.0
    mass = found.sum((1, 2))
    down = (found.sum(2) * grid).sum(1) / mass
    right = (found.sum(1) * grid).sum(1) / mass
    angle = torch.atan2(-down, right) * 180 / math.pi
    assert angle.abs().max() < 31
    assert angle.std() == pytest.approx(30 / 3**0.5, rel=0.1)


def test_light_changes_as_written() -> None:
    """Brightness shifts, contrast scales about the gray mean, saturation about the gray image."""
    rows = batch(IMAGE, trials=1, rows=500)
    x = rows.x[0]
    none = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}
    shift = altered(rows, "color_jitter", {**none, "brightness": 0.5}).x[0] - x
    torch.testing.assert_close(shift, shift[:, :1, :1, :1].expand_as(shift))
    assert shift.abs().max() <= 0.5 + 1e-5
    assert shift[:, 0, 0, 0].std() == pytest.approx(0.5 / 3**0.5, rel=0.1)
    light = gray(rows.x)[0]
    for name, center in (("contrast", light.mean((1, 2, 3), keepdim=True)), ("saturation", light)):
        found = altered(rows, "color_jitter", {**none, name: 0.5}).x[0]
        factor = ((found - center) * (x - center)).sum((1, 2, 3)) / (x - center).square().sum(
            (1, 2, 3)
        )
        torch.testing.assert_close(found, center + factor[:, None, None, None] * (x - center))
        assert (factor - 1).abs().max() <= 0.5 + 1e-4
        assert factor.std() == pytest.approx(0.5 / 3**0.5, rel=0.1)


def test_gray_is_the_luminance_of_three_channels() -> None:
    x = torch.randn(1, 2, 3, 4, 4)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    torch.testing.assert_close(gray(x), (x * weights).sum(2, keepdim=True))
    torch.testing.assert_close(gray(x[:, :, :2]), x[:, :, :2].mean(2, keepdim=True))


def test_a_gray_picture_is_the_known_one() -> None:
    """Values of kornia 0.9's `rgb_to_grayscale`, computed in double precision."""
    image = torch.stack([STRIPES, STRIPES.flip(0), STRIPES.flip(1)])
    expected = torch.tensor(
        [
            [0.0815, 0.7473, 0.4385, 0.3332, 0.6701, 0.2359],
            [0.6750, 0.6951, 0.2609, 0.5978, 0.6179, 0.1837],
            [0.6228, 0.1886, 0.8544, 0.5456, 0.1114, 0.7772],
            [0.4452, 0.7821, 0.4733, 0.3680, 0.7049, 0.3961],
            [0.0641, 0.7299, 0.2957, 0.6326, 0.6527, 0.2185],
        ]
    )
    torch.testing.assert_close(gray(image.view(1, 1, 3, 5, 6))[0, 0, 0], expected)


def test_noise_has_its_deviation_on_a_share_of_the_images() -> None:
    rows = batch(IMAGE, trials=2, rows=1000)
    found = altered(rows, "image_noise", {"p": 0.4, "deviation": 0.3}, {"p": 1.0}).x - rows.x
    noisy = found.flatten(2).any(2)
    assert noisy.double().mean(1).tolist() == pytest.approx([0.4, 1.0], abs=0.05)
    assert found[0][noisy[0]].std() == pytest.approx(0.3, rel=0.02)
    assert found[1].std() == pytest.approx(0.1, rel=0.02)


def test_an_erased_rectangle_lies_inside_and_has_its_share() -> None:
    """20 × 30 pixels: shares between the limits to a pixel a side, forms within .3 and 1/.3."""
    generator = Generator().manual_seed(1)
    rows = batch(IMAGE, trials=1, rows=1000)
    x = torch.randn(1, 1000, 3, 20, 30, generator=generator)
    settings = {"p": 0.5, "smallest": 0.1, "largest": 0.2, "fill": "zero"}
    gone = altered(type(rows)(x, rows.y, 3), "erasing", settings).x[0] == 0
    assert torch.equal(gone, gone[:, :1].expand_as(gone))
    gone = gone[:, 0]
    hidden = gone.any(2).any(1)
    assert hidden.double().mean() == pytest.approx(0.5, abs=0.05)
    gone = gone[hidden]
    high, wide = gone.any(2).sum(1).double(), gone.any(1).sum(1).double()
    assert torch.equal(gone.sum((1, 2)).double(), high * wide)
    assert bool((gone.sum((1, 2)) / 600 > 0.08).all())
    assert bool((gone.sum((1, 2)) / 600 < 0.23).all())
    assert (high / wide).min() > 0.25
    assert (high / wide).max() < 4
    assert bool(gone.any(0).all())


def test_erasing_fills_with_noise_where_asked() -> None:
    rows = batch(IMAGE, trials=2, rows=500)
    x = torch.full_like(rows.x, 7.0)
    settings = {"p": 1.0, "smallest": 0.3, "largest": 0.5}
    found = altered(type(rows)(x, rows.y, 3), "erasing", settings, {**settings, "fill": "zero"}).x
    noise = found[0][found[0] != 7]
    assert noise.mean() == pytest.approx(0.0, abs=0.05)
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    assert set(found[1].unique().tolist()) == {0.0, 7.0}
