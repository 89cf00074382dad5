"""The columns of a data set as a model's: by name, categories by what they are to a record."""

import numpy as np
import pytest

from worker.data import Matching, Records, Table, kinds_to_declare
from worker.data.table import Column, categorical, images, numeric
from worker.errors import DataError

COLOUR = Column(name="colour", kind="categorical", categories=("10.50", "blue", "red"))
SIZE = Column(name="size", kind="numeric")
NEEDED = (SIZE, COLOUR)


def test_a_row_is_what_the_same_row_is_as_a_record() -> None:
    texts = ["red", " blue", "green", "10.50", "red", "blue "]
    labels = sorted(set(texts))
    whole = Table.of(
        [
            categorical("colour", labels, [*map(labels.index, texts), -1]),
            numeric("other", np.zeros(7)),
            numeric("size", np.arange(7.0)),
        ]
    )
    matched = Matching.of(NEEDED, whole.columns).apply(whole)
    rows = [{"size": n, "colour": text} for n, text in enumerate([*texts, None])]
    records = Records.read(NEEDED, rows).table
    assert matched.columns == records.columns
    for name in ("size", "colour"):
        np.testing.assert_array_equal(matched.values[name], records.values[name])


def test_another_kind_is_to_be_declared_and_so_is_what_was_ignored() -> None:
    present = [Column(name="colour", kind="numeric"), Column(name="other", kind="date")]
    declared = kinds_to_declare(NEEDED, present, ignored=["size"])
    assert declared == {"size": "numeric", "colour": "categorical"}
    assert kinds_to_declare(NEEDED, NEEDED) == {}


def test_all_lacking_columns_are_named() -> None:
    with pytest.raises(DataError, match=r"lacks the columns 'size', 'colour'") as caught:
        kinds_to_declare(NEEDED, [Column(name="sizes", kind="numeric")])
    assert caught.value.extra["columns"] == ["size", "colour"]
    assert "Did you mean 'sizes'" in caught.value.message


def test_images_must_have_the_shape() -> None:
    needed, _ = images("image", np.zeros((2, 1, 4, 4), dtype=np.uint8))
    other, _ = images("image", np.zeros((2, 1, 4, 5), dtype=np.uint8))
    assert kinds_to_declare([needed], [needed]) == {}
    for wrong in (other, Column(name="image", kind="numeric")):
        with pytest.raises(DataError, match=r"is of shape|is numeric"):
            kinds_to_declare([needed], [wrong])
