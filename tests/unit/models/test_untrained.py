"""Inputs without trained weights are found, and those among them that act are named."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.data import Column, Encoder, Table
from worker.data.table import dates, numeric
from worker.models.untrained import untrained_inputs
from worker.spec import Preprocessing

ROWS = 40


class Forgetful(Encoder):
    """Gives each category its input, be it one of the training rows' or not."""

    def transform(
        self, table: Table, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        return super(Forgetful, replace(self, seen=np.ones_like(self.seen))).transform(table, out)


def fitted(**cells: tuple[Column, NDArray[Any]]) -> Encoder:
    table = Table.of(cells.values())
    return Encoder.fit(table, table.names, np.arange(ROWS), Preprocessing())


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    colours = Column(name="colour", kind="categorical", categories=("blue", "red", "unused"))
    towns = Column(name="town", kind="categorical", categories=("Bern",))
    return fitted(
        size=numeric("size", np.linspace(0.0, 1.0, ROWS)),
        always=numeric("always", np.full(ROWS, 3.5)),
        none=numeric("none", np.full(ROWS, np.nan)),
        day=dates("day", np.full(ROWS, 20_000.0)),
        night=dates("night", 20_000.0 + np.arange(ROWS)),
        colour=(colours, np.arange(ROWS, dtype=np.int32) % 2),
        town=(towns, np.zeros(ROWS, dtype=np.int32)),
    )


def test_a_fitted_encoder_silences_what_training_did_not_tell_apart(encoder: Encoder) -> None:
    untrained, acting = untrained_inputs(encoder)
    # always, none, six parts of the day, the year of the nights, "unused" and "Bern".
    assert (untrained, acting) == (2 + 6 + 1 + 2, [])


def test_a_number_of_one_value_that_acts_is_named(encoder: Encoder) -> None:
    """As in files of before, which did not know which numbers act."""
    loud = replace(encoder, acts=np.ones_like(encoder.acts))
    _, acting = untrained_inputs(loud)
    assert acting == ["always", *(f"day.{part}" for part in
        ("year", "month", "weekday", "day_of_year_sin", "day_of_year_cos", "days"))]  # fmt: skip


def test_a_category_of_no_training_row_that_acts_is_named(encoder: Encoder) -> None:
    forgetful = Forgetful(**vars(encoder))
    assert untrained_inputs(forgetful)[1] == ["colour=unused", "town=Bern"]


def test_a_file_of_before_is_read_by_the_ranges_that_it_has(encoder: Encoder) -> None:
    constants = {name: array for name, array in encoder.constants().items() if name != "acts"}
    read = Encoder.load(encoder.schema(), constants)
    assert untrained_inputs(read)[1] == []
    bare = {name: array for name, array in constants.items() if name not in ("low", "high")}
    assert Encoder.load(encoder.schema(), bare).acts.all()
