"""Kinds that are declared, of columns that are read and of those that are typed already."""

from io import BytesIO

import numpy as np
import pytest

from worker.data import Table, declare, load_builtin, read_table
from worker.data.table import categorical, dates, images, numeric
from worker.errors import DataError
from worker.spec import Builtin, BuiltinName, ColumnKind, Reading


def table() -> Table:
    return Table.of(
        [
            numeric("region", [1, 2.5, np.nan, 1]),
            categorical("price", ("1,5", "2", "7,25"), [0, 1, -1, 2]),
            categorical("day", ("2024-05-31", "2024-06-01"), [0, 1, -1, 1]),
            dates("seen", [0, 0.5, np.nan, 19874]),
            categorical("y", ("a", "b"), [0, 1, 0, 1]),
        ],
        target="y",
    )


def refuse(given: Table, columns: dict[str, ColumnKind]) -> DataError:
    with pytest.raises(DataError) as caught:
        declare(given, columns)
    assert caught.value.param == "columns"
    return caught.value


def test_each_kind_of_a_typed_table() -> None:
    after = declare(
        table(), {"region": "categorical", "price": "numeric", "day": "date", "seen": "numeric"}
    )
    assert after.column("region").categories == ("1", "2.5")
    assert after.values["region"].tolist() == [0, 1, -1, 0]
    np.testing.assert_array_equal(after.values["price"], [1.5, 2, np.nan, 7.25])
    np.testing.assert_array_equal(after.values["day"], [19874, 19875, np.nan, 19875])
    assert [after.column(name).kind for name in ("day", "seen")] == ["date", "numeric"]
    assert [finding.code for finding in after.findings] == ["number_format"]
    texts = declare(table(), {"seen": "categorical"}).column("seen").categories
    assert texts == ("1970-01-01", "1970-01-01T12:00:00", "2024-05-31")
    assert declare(table(), {}).columns == table().columns


def test_ignored_columns_are_left_out_and_remembered() -> None:
    after = declare(table(), {"price": "ignore", "day": "ignore"})
    assert after.names == ("region", "seen", "y")
    assert after.ignored == ("price", "day")
    again = Table.from_parquet(after.to_parquet())
    assert (again.ignored, again.columns) == (after.ignored, after.columns)
    assert declare(again, {"price": "ignore"}).ignored == after.ignored
    with pytest.raises(DataError, match="declared to be ignored"):
        again.column("price", param="target")
    assert "declared to be ignored" in refuse(again, {"price": "numeric"}).message


def test_what_cannot_be_declared() -> None:
    assert refuse(table(), {"regoin": "ignore"}).code == "unknown_column"
    assert "'region'" in refuse(table(), {"regoin": "ignore"}).message
    assert refuse(table(), {"y": "ignore"}).code == "kind_mismatch"
    assert refuse(table(), {"y": "numeric"}).code == "not_a_number"
    assert refuse(table(), {"y": "date"}).code == "not_a_date"
    assert refuse(table(), {"region": "date"}).code == "not_a_date"
    assert refuse(table(), dict.fromkeys(table().names, "ignore")).code == "no_columns"
    pictures = Table.of([images("image", np.zeros((2, 1, 3, 3))), numeric("y", [0, 1])])
    for kind in ("numeric", "categorical", "date", "ignore"):
        assert refuse(pictures, {"image": kind}).code == "kind_mismatch"


def test_built_in_data() -> None:
    digits, target = load_builtin(Builtin(builtin=BuiltinName.DIGITS))
    after = declare(digits, {digits.names[0]: "categorical", digits.names[1]: "ignore"})
    assert after.column(digits.names[0]).kind == "categorical"
    assert digits.names[1] not in after.names
    assert target in after.names


def test_a_table_of_an_earlier_release_has_nothing_ignored_and_no_findings() -> None:
    import json

    import pyarrow.parquet as pq

    data = table().to_parquet()
    frame = pq.read_table(BytesIO(data))
    metadata = dict(frame.schema.metadata)
    metadata[b"parsimony.origin"] = json.dumps({"target": "y", "parts": {}}).encode()
    columns = json.loads(metadata[b"parsimony.columns"])
    for column in columns:
        del column["notation"], column["date_order"]
    metadata[b"parsimony.columns"] = json.dumps(columns).encode()
    sink = BytesIO()
    pq.write_table(frame.replace_schema_metadata(metadata), sink)
    old = Table.from_parquet(sink.getvalue())
    assert (old.findings, old.ignored, old.columns) == ((), (), table().columns)


CSV = b"zip,id,day,y\n01234,7,2024-05-31,1\n 1234,8,2024-06-01,0\n1234.0,9,,1\n"


def test_columns_of_a_file() -> None:
    said = Reading(columns={"zip": "categorical", "id": "ignore", "day": "date"})
    read = read_table(BytesIO(CSV), "data.csv", said)
    assert read.names == ("zip", "day", "y")
    assert read.ignored == ("id",)
    assert read.column("zip").categories == ("01234", "1234", "1234.0")
    assert not {"identifier", "dates", "leading_zeros"} & {f.code for f in read.findings}
    numbers = read_table(BytesIO(CSV), None, Reading(columns={"zip": "numeric"}))
    assert numbers.values["zip"].tolist() == [1234, 1234, 1234]


@pytest.mark.parametrize(
    ("columns", "code", "fragment"),
    [
        ({"zipp": "numeric"}, "unknown_column", "Did you mean 'zip'?"),
        ({"day": "numeric"}, "not_a_number", "'2024-05-31' (line 2)"),
        ({"id": "date"}, "not_a_date", "'7' (line 2)"),
        (dict.fromkeys(("zip", "id", "day", "y"), "ignore"), "no_columns", "leave one"),
    ],
)
def test_refusals_name_the_field(columns: dict[str, ColumnKind], code: str, fragment: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(BytesIO(CSV), None, Reading(columns=columns))
    assert (caught.value.code, caught.value.param) == (code, "columns")
    assert fragment in caught.value.message


def test_arrays_are_declared_too() -> None:
    sink = BytesIO()
    np.savez(sink, x=np.arange(6).reshape(3, 2), y=np.array(["NA", "EU", "-"]))
    sink.seek(0)
    read = read_table(sink, "x.npz", Reading(columns={"x1": "categorical", "x2": "ignore"}))
    assert read.column("x1").categories == ("0", "2", "4")
    assert (read.ignored, read.column("y").missing) == (("x2",), 1)
    assert "missing_markers" in {finding.code for finding in read.findings}
    sink.seek(0)
    kept = read_table(sink, "x.npz", Reading(columns={}, missing=("-",)))
    assert kept.column("y").categories == ("EU", "NA")
