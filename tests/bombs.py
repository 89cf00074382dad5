"""Files that are small and mean harm: each is below 1 MB, and made when it is asked for."""

import bz2
import gzip
import io
import lzma
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MOST = 1_000_000
"""Bytes of a bomb."""


@dataclass(frozen=True)
class Bomb:
    """One file, and what is said with it."""

    name: str
    make: Callable[[], bytes]
    form: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The file."""
        made = self.make()
        assert len(made) < MOST, (self.name, len(made))
        return made


# --- text -----------------------------------------------------------------------------------------


def _csv() -> Iterator[Bomb]:
    long = b"x" * 900_000
    yield Bomb("100,000 columns.csv", lambda: b",".join(b"c%d" % n for n in range(100_000)))
    yield Bomb("one field.csv", lambda: b"a,b\n1," + long + b"\n")
    yield Bomb("a name.csv", lambda: long + b",b\n1,2\n")
    yield Bomb("zeros.csv", lambda: b"a,b\n" + b"\0" * 900_000)
    yield Bomb("open quote.csv", lambda: b'a,b\n1,"' + b"1,2\n" * 200_000)
    yield Bomb("quotes.csv", lambda: b'"' * 900_001)
    yield Bomb("pairs of quotes.csv", lambda: b"a,b\n" + b'"",' * 300_000)
    yield Bomb("separators.csv", lambda: b";" * 900_000)
    yield Bomb("one name.csv", lambda: b",".join([b"a"] * 400_000) + b"\n1\n")
    yield Bomb("ragged late.csv", lambda: b"a,b\n" + b"1,2\n" * 200_000 + b"1,2,3\n")
    yield Bomb("beyond float.csv", lambda: b"a,b\n" + b"1e308,2\n" * 100_000)
    yield Bomb("long number.csv", lambda: b"a,b\n" + b"9" * 60_000 + b",1\n")
    yield Bomb("not utf-8.csv", lambda: b"a,b\n" + b"\xff\xfe,1\n" * 100_000)
    yield Bomb("escapes.csv", lambda: b"a\x1b[31m,b\n1,2\n")
    yield Bomb("nothing.csv", lambda: b"")
    yield Bomb("blanks.csv", lambda: b"\n \t" * 300_000)
    yield Bomb("mark.csv", lambda: b"\xef\xbb\xbf")
    yield Bomb("punycode.csv", lambda: b"a" * 900_000, {"encoding": "punycode"})
    yield Bomb("half of utf-16.csv", lambda: b"\xff\xfe" + b"\x00\xd8" * 400_000)
    yield Bomb("gzip.csv", lambda: gzip.compress(bytes(200_000_000)))
    yield Bomb("bzip2.csv", lambda: bz2.compress(bytes(100_000_000)))
    yield Bomb("json.json", lambda: b"[" * 900_000)
    yield Bomb("pickle.pkl", lambda: b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.")
    yield Bomb(
        "declared.csv",
        lambda: b"a,b\n" + b"1,x\n" * 200_000,
        {"columns": '{"b": "numeric"}'},
    )


# --- Parquet --------------------------------------------------------------------------------------


def _parquet() -> Iterator[Bomb]:
    many = 9_900_000
    flat = np.zeros(many)
    yield Bomb("constants.parquet", lambda: _written(**{f"c{n}": flat for n in range(20)}))
    yield Bomb("one text.parquet", lambda: _written(a=_repeated("x" * 60_000, many)))
    yield Bomb("texts.parquet", lambda: _written(a=_repeated("x" * 3_000, 40_000), plain=True))
    yield Bomb("long text.parquet", lambda: _written(a=pa.array(["x" * 50_000_000] * 2)))
    yield Bomb("nested.parquet", lambda: _written(a=pa.array([[[[1]]]] * 1_000)))
    yield Bomb("fields.parquet", lambda: _written(a=pa.array([{"a": {"b": 1}}] * 1_000)))
    yield Bomb("bytes.parquet", lambda: _written(a=pa.array([b"\0" * 60_000] * 1_000)))
    yield Bomb("no text.parquet", lambda: _written(a=_not_utf8()))
    yield Bomb("no rows.parquet", lambda: _written(a=pa.array([], pa.int64())))
    yield Bomb("a name.parquet", lambda: _written(**{"x" * 900: pa.array([1])}))
    yield Bomb("infinite.parquet", lambda: _written(a=np.full(100_000, np.inf)))
    yield Bomb("10,001 columns.parquet", lambda: _wide(10_001)[: MOST - 1])
    yield Bomb("half.parquet", lambda: _small()[: len(_small()) // 2])
    yield Bomb("its length.parquet", lambda: b"PAR1" + b"\0" * 99 + b"\xff\xff\xff\x7fPAR1")
    yield Bomb("encrypted.parquet", lambda: _small()[:-4] + b"PARE")
    for seed in range(4):
        yield Bomb(f"damaged {seed}.parquet", lambda seed=seed: _damaged(_small(), seed))  # type: ignore[misc]


def _written(*, plain: bool = False, **columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd", use_dictionary=not plain)
    return sink.getvalue()


def _repeated(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), [text])


def _not_utf8() -> pa.Array:
    data, ends = pa.py_buffer(b"\xff" * 100), pa.py_buffer(np.arange(101, dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), 100, [None, ends, data])


def _wide(columns: int) -> bytes:
    sink = io.BytesIO()
    names = [f"{n:x}" for n in range(columns)]
    table = pa.table([pa.nulls(1)] * columns, names=names)
    pq.write_table(table, sink, write_statistics=False, store_schema=False)
    return sink.getvalue()


def _small() -> bytes:
    return _written(a=np.arange(1_000), b=pa.array(["x", "y"] * 500))


def _damaged(data: bytes, seed: int) -> bytes:
    """A file whose footer was changed, here and there."""
    chance, changed = random.Random(seed), bytearray(data)
    for _ in range(40):
        changed[chance.randrange(len(data) - 400, len(data) - 8)] = chance.randrange(256)
    return bytes(changed)


# --- NPZ ------------------------------------------------------------------------------------------


def _npz() -> Iterator[Bomb]:
    few = np.zeros(3)
    yield Bomb("zeros.npz", lambda: _arrays(x=np.zeros((100_000, 900)), y=np.zeros(100_000)))
    yield Bomb(
        "images.npz", lambda: _arrays(x=np.zeros((3_000, 224, 224), "u1"), y=np.zeros(3_000))
    )
    yield Bomb("labels.npz", lambda: _arrays(x=np.zeros((20, 1)), y=np.zeros(20, "U10000000")))
    yield Bomb(
        "long labels.npz", lambda: _arrays(x=np.zeros((2_000, 1)), y=np.zeros(2_000, "U60000"))
    )
    yield Bomb("lzma.npz", lambda: _arrays(zipfile.ZIP_LZMA, x=np.zeros((10_000, 3_000)), y=few))
    yield Bomb("claims.npz", lambda: _headers((10**6, 10**6), (10**6,)))
    yield Bomb("claims and lacks.npz", lambda: _headers((7_000_000,), (7_000_000,)))
    yield Bomb("negative.npz", lambda: _headers((-(10**6), 2), (3,)))
    yield Bomb("dimensions.npz", lambda: _headers((1,) * 1_000, (1,)))
    yield Bomb("objects.npz", lambda: _headers((3, 2), (3,), "|O"))
    yield Bomb("records.npz", lambda: _arrays(x=np.zeros(3, "f8,f8"), y=few))
    yield Bomb("void.npz", lambda: _arrays(x=np.zeros((3, 2), "V100000"), y=few))
    yield Bomb("infinite.npz", lambda: _arrays(x=np.full((1_000, 9), np.inf), y=np.zeros(1_000)))
    yield Bomb("deep header.npz", lambda: _zip({"x.npy": _npy("(" * 50_000), "y.npy": b""}))
    yield Bomb(
        "long header.npz", lambda: _zip({"x.npy": b"\x93NUMPY\x02\0\xff\xff\xff\xff", "y.npy": b""})
    )
    yield Bomb("many arrays.npz", lambda: _zip({f"{n}.npy": b"" for n in range(8_000)}))


def _arrays(compression: int = zipfile.ZIP_DEFLATED, **arrays: np.ndarray) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array)
    return sink.getvalue()


def _headers(x: tuple[int, ...], y: tuple[int, ...], kind: str = "<f8") -> bytes:
    """Arrays of which there is the header alone."""
    about = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}"
    return _zip({"x.npy": _npy(about.format(kind, x)), "y.npy": _npy(about.format("<f8", y))})


def _npy(header: str) -> bytes:
    return b"\x93NUMPY\x02\0" + struct.pack("<I", len(header) + 1) + header.encode() + b"\n"


def _zip(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


# --- images ---------------------------------------------------------------------------------------


def _images() -> Iterator[Bomb]:
    yield Bomb("black.zip", lambda: _pictures(60, _png(2_048, 2_048)))
    yield Bomb("50,000 squared.zip", lambda: _pictures(1, _png(50_000, 50_000, whole=False)))
    yield Bomb("text in a chunk.zip", lambda: _pictures(2, _png(8, 8, _text_chunk())))
    yield Bomb("many.zip", lambda: _pictures(3_000, _png(300, 300)))
    yield Bomb("zeros.zip", lambda: _zip({"a/1.png": bytes(500_000_000)}))
    yield Bomb("in each other.zip", lambda: _zip({"a/1.png": _zip({"a/1.png": bytes(10**8)})}))
    yield Bomb("its size.zip", _lying)
    yield Bomb("empty ones.zip", lambda: _zip({f"a/{n}.png": b"" for n in range(8_000)}))
    yield Bomb("outside.zip", lambda: _zip({"../../a/1.png": _png(8, 8)}))
    yield Bomb("escapes.zip", lambda: _zip({"a\x1b[31m/1.png": _png(8, 8)}))
    yield Bomb("half.zip", lambda: _pictures(9, _png(64, 64))[:-30])
    yield Bomb("its end alone.zip", lambda: b"PK\x05\x06" + bytes(18))
    yield Bomb("lzma.png.zip", lambda: _zip({"a/1.png": lzma.compress(bytes(10**7))}))


def _png(width: int, height: int, extra: bytes = b"", *, whole: bool = True) -> bytes:
    """A black picture of one bit a pixel."""
    rows = bytes((width // 8 + 1) * (height if whole else 8))
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packed = zlib.compress(rows, 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + extra
        + _chunk(b"IDAT", packed)
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _text_chunk() -> bytes:
    return _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9))


def _pictures(count: int, picture: bytes) -> bytes:
    return _zip({"ab"[n % 2] + f"/{n}.png": picture for n in range(count)})


def _lying() -> bytes:
    """An archive that tells of one byte where there are many."""
    data, told = bytearray(_zip({"a/1.png": bytes(10**8)})), struct.pack("<I", 10**8)
    while told in data:
        at = data.index(told)
        data[at : at + 4] = struct.pack("<I", 1)
    return bytes(data)


BOMBS = [*_csv(), *_parquet(), *_npz(), *_images()]


# --- forms ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """A body that is, or is called, a form."""

    name: str
    body: bytes
    content_type: str = "multipart/form-data; boundary=b"


def _part(head: bytes, data: bytes = b"a,b\n1,2\n") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="' + head + b"\r\n\r\n" + data + b"\r\n"


_FILE, _END = b'file"; filename="a.csv"', b"--b--\r\n"
FORMS = [
    Form("no boundary", _part(_FILE) + _END, "multipart/form-data"),
    Form("another boundary", _part(_FILE) + _END, "multipart/form-data; boundary=c"),
    Form("a long boundary", b"", "multipart/form-data; boundary=" + "b" * 5_000),
    Form("a long head", _part(b"x" * 900_000 + b'"') + _END),
    Form("many heads", b"--b\r\n" + b"X: y\r\n" * 100_000 + b"\r\n"),
    Form("many fields", _part(b'x"', b"1") * 12_000 + _END),
    Form("many files", _part(b'x"; filename="x"', b"1") * 8_000 + _END),
    Form("two files", _part(_FILE) * 2 + _END),
    Form("a field of a name", _part(b'x"', b"1") + _part(_FILE) + _END),
    Form("a long name", _part(b'name"', b"x" * 900_000) + _part(_FILE) + _END),
    Form("no end", _part(_FILE)),
    Form("no file", _END),
]
