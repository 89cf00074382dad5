"""The rows that are measured: all of a part, in order, in blocks of which none is cut."""

import pytest
import torch

from tests.fleets import fleet
from worker.training.fleet_data import BLOCK, FleetData


@pytest.fixture(scope="module")
def data() -> FleetData:
    """Three folds of 100 training rows, with 50 to validate and 50 to test."""
    circle = {"builtin": "circle", "rows": 200}
    return fleet(dataset=circle, split={"folds": 3, "test": 0.25}).engine.data


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 50, 10_000])
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_blocks_come_whole_and_the_rest_apart(data: FleetData, part: str, size: int) -> None:
    """How many rows a product has may change their last bits: it must not follow the size."""
    count = data.rows(part)
    measured = list(data.measured(part, size))
    whole, rest = divmod(count, BLOCK)
    assert rest, "else nothing is apart"
    counts = [rows.x.shape[1] for rows in measured]
    assert counts[-1] == rest
    assert all(count % BLOCK == 0 for count in counts[:-1])
    assert sum(counts) == count
    assert max([0, *counts[:-1]]) <= max(size, BLOCK)
    if size >= count:
        assert len(counts) == (2 if whole else 1)
    for number, of_part in enumerate(data.fold.tolist()):
        index = data.parts[part][of_part]
        assert torch.equal(torch.cat([rows.x[number] for rows in measured]), data.x[index])
        assert torch.equal(torch.cat([rows.y[number] for rows in measured]), data.y[index])


def test_of_many_rows_some_are_taken_evenly(data: FleetData) -> None:
    index, most = data.parts["train"], 40
    measured = list(data.measured("train", 10_000, most=most))
    assert [rows.x.shape[1] for rows in measured] == [BLOCK, most - BLOCK]
    taken = torch.cat([rows.x[0] for rows in measured])
    places = torch.arange(most) * index.shape[1] // most
    assert torch.equal(taken, data.x[index[data.fold[0]][places]])
    assert set(places.diff().tolist()) == {2, 3}
