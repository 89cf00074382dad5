import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from worker.data import read_table
from worker.errors import DataError
from worker.spec import Reading


def png() -> bytes:
    sink = BytesIO()
    Image.new("L", (3, 2)).save(sink, "PNG")
    return sink.getvalue()


def packed(**files: bytes) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return sink.getvalue()


def parquet() -> bytes:
    sink = BytesIO()
    pq.write_table(pa.table({"a": [1.0]}), sink)
    return sink.getvalue()


def npz() -> bytes:
    sink = BytesIO()
    np.savez(sink, x=np.ones((2, 2)), y=np.arange(2))
    return sink.getvalue()


@pytest.mark.parametrize("filename", [None, "data", "data.csv", "DATA.PARQUET", "x.npz", "a.zip"])
def test_the_content_decides_not_the_name(tmp_path: Path, filename: str | None) -> None:
    path = tmp_path / "upload"
    for content, names in [
        (b"p,q\n1,2\n", ("p", "q")),
        (parquet(), ("a",)),
        (npz(), ("x1", "x2", "y")),
        (packed(cats__1_png=png(), dogs__1_png=png()), ("image", "class")),
    ]:
        path.write_bytes(content)
        assert read_table(path, filename).names == names
        with SpooledTemporaryFile(max_size=1) as upload:
            upload.write(content)
            upload.seek(0)
            assert read_table(upload, filename).names == names
            assert not upload.closed


def npy() -> bytes:
    sink = BytesIO()
    np.save(sink, np.ones(2))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("content", "filename", "fragment"),
    [
        (b"\x80\x04\x95", "model.csv", "pickled Python objects"),
        (b"\x80\x02}q\x00.", None, "pickled Python objects"),
        (b"\x78\x9c\x00\x00", None, "pickled Python objects"),
        (packed(archive__data_pkl=b"\x80\x02.", archive__version=b"3"), "net.pt", "pickled"),
        (b"(lp0\n.", "data.pkl", "pickled Python objects"),
        (b"a,b\n1,2\n", "data.joblib", "pickled Python objects"),
        (b"a,b\n1,2\n", "DATA.PT", "pickled Python objects"),
        (npy(), "x.csv", "numpy.savez_compressed"),
        (b"\x1f\x8b\x08\x00", "data.csv.gz", "Unpack it first"),
        (b"\x89HDF\r\n\x1a\n", None, "HDF5 is not read"),
        (b"ORC\x08\x03", None, "ORC is not read"),
        (packed(xl__workbook_xml=b"") + b"", "book.xlsx", "PNG or JPEG"),
        (packed(mimetype=b"x"), "book.ods", "Save the sheet as CSV"),
        (packed(data_csv=b"a,b\n1,2\n"), "data.zip", "Unpack it"),
        (png(), "one.png", "folders of images"),
        (b'[{"a": 1}]', "data.json", "JSON is not read"),
    ],
    ids=lambda value: "content" if isinstance(value, bytes) else None,  # archives hold the time
)
def test_what_is_not_read_gets_its_remedy(
    tmp_path: Path, content: bytes, filename: str | None, fragment: str
) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(path, filename)
    assert fragment in caught.value.message
    assert caught.value.param == "file"
    if filename != "book.xlsx":
        assert caught.value.code == "unsupported_format"
        assert "CSV in UTF-8, Parquet, NPZ, or a zip" in caught.value.message


@pytest.mark.parametrize("header", ["ORC,y", "ORCHARD,y", "ARROW1,y", "BZh,y", "x^2,y"])
def test_a_header_that_begins_like_a_format_is_a_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "upload"
    path.write_text(f"{header}\n1,2\n")
    assert read_table(path).names == tuple(header.split(","))


def test_an_empty_file_is_named_empty(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        read_table(tmp_path / "upload", "data.csv")


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (parquet(), ("decimal", "thousands", "separator", "header", "encoding")),
        (npz(), ("decimal", "thousands", "separator", "header", "encoding")),
        (
            packed(cats__1_png=png(), dogs__1_png=png()),
            ("decimal", "thousands", "separator", "header", "encoding", "missing"),
        ),
    ],
    ids=["parquet", "npz", "images"],
)
def test_what_is_said_of_text_is_refused_elsewhere(content: bytes, fields: tuple[str, ...]) -> None:
    given = {
        "decimal": ",",
        "thousands": ".",
        "separator": ";",
        "header": False,
        "encoding": "utf-8",
        "missing": ["-"],
    }
    for name in fields:
        reading = Reading.model_validate({"columns": {}, name: given[name]})
        with pytest.raises(DataError, match=f"`{name}`") as caught:
            read_table(BytesIO(content), None, reading)
        assert (caught.value.code, caught.value.param) == ("not_a_csv", name)
