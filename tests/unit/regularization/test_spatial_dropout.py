"""Spatial dropout drops whole maps, in images and in series."""

import pytest
import torch

from tests.streams import stream
from tests.techniques import network
from worker.regularization.families.dropout import DropoutLayer
from worker.regularization.spatial_dropout import SpatialDropout


@pytest.mark.parametrize("positions", [(6, 5), (7,)])
def test_whole_maps_are_dropped(positions: tuple[int, ...]) -> None:
    p = torch.tensor([0.0, 0.3, 0.6])
    layer = DropoutLayer(SpatialDropout, p, (None,) * 3, 3 + len(positions), stream(3))
    maps = layer(torch.ones(3, 200, 30, *positions)).flatten(3)
    assert torch.equal(maps, maps[..., :1].expand_as(maps))
    zero = (maps[..., 0] == 0).float().mean((1, 2)).tolist()
    assert zero == pytest.approx(p.tolist(), abs=0.02)
    assert maps.mean((1, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=0.05)
    h = torch.randn(3, 2, 4, *positions)
    assert torch.equal(layer.eval()(h), h)


def test_acts_after_convolutions_only() -> None:
    spec = {"kind": "cnn", "channels": [4, 4], "hidden": [8]}
    built = network(spec, (1, 8, 8), {"spatial_dropout": {"p": [0.1, 0.2]}})
    places = [name for name, m in built.named_modules() if isinstance(m, DropoutLayer)]
    assert places == ["dropouts.0", "dropouts.1"]
