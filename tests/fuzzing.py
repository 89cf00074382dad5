"""Damaged files for the readers, and damaged bodies for the decoder of binary tensors.

    python -m tests.fuzzing [--seconds 60] [--seed 1] [csv parquet npz tensors]

Each input is a good one with some changes, drawn from a seed. Whatever it is, it must be read or
refused by an error of the data, within `SECONDS` of the processor; else it is a finding. The input
that is worked on lies in a file, which is named where it ends the process itself.
"""

import argparse
import io
import json
import logging
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from service.errors import InvalidError, MalformedError
from service.reading.messages import Bounds, ReadOrder
from service.reading.work import answer_to
from service.serving.doors.oip.requests import read_request
from worker.spec import Reading

SECONDS = 2.0
MEMORY = 2 * 2**30
MOST_CHANGES = 6
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]


class FindingError(Exception):
    """What a reader must not do."""


@dataclass(frozen=True)
class Target:
    """What is read, good inputs, and words that matter to it."""

    read: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes]


def read_file(data: bytes) -> None:
    """As a reader does, up to the answer's line."""
    with tempfile.TemporaryDirectory() as folder:
        order = ReadOrder(
            folder=Path(folder),
            filename=None,
            reading=Reading(columns={}),
            target=None,
            task="describe",
            bounds=Bounds(memory=0, processor_seconds=0, seconds=0.0, files=0, written=0),
        )
        answer = answer_to(order, io.BytesIO(data))
        answer.line()
    if answer.failed is not None or answer.fault is not None:
        raise FindingError(f"{answer.failed or answer.fault}")


def read_arrays(data: bytes) -> None:
    """Two arrays, one behind the other, as the NPZ that holds them."""
    at = data.find(b"\x93NUMPY", 1)
    at = at if at > 0 else len(data) // 2
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("x.npy", data[:at])
        archive.writestr("y.npy", data[at:])
    read_file(sink.getvalue())


def read_tensors(data: bytes) -> None:
    """A body that begins with the length of its JSON; mostly the right one."""
    length, _, body = data.partition(b"\n")
    if len(data) % 8:
        length = b"%d" % (body.rfind(b"}") + 1)
    try:
        read_request(body, length.decode("latin-1"))
    except (InvalidError, MalformedError):
        return


def _csv() -> Target:
    seeds = [
        b"x,y,z\n1,2.5,a\n3,4.5,b\n,NA,a\n",
        b'"a b";"c"\r\n"1,5";"x""y"\r\n"2,5";"z\nw"\r\n',
        b"# note\nday\tmoney\tk\n2024-05-01\t$1,200\t007\n2024-05-13\t$3\t008\n",
        b"a|b\n12 %|1e5\n13 %|2e5\n",
        "ä,ö\n1.000,5;2\n".encode("utf-16"),
        b"sep=;\na;b\n13/05/2024;(3)\n14/05/2024;4 kg\n",
    ]
    words = [b",", b";", b"\t", b"\n", b"\r\n", b'"', b"\0", b"\xff", b"\xef\xbb\xbf", b"1e309"]
    words += [b"nan", b"-", b"'", b"\xe2\x80\xa8", b"9" * 400, b"1,000.5", b"\xed\xa0\x80", b" "]
    return Target(read_file, seeds, words)


def _parquet() -> Target:
    table = pa.table(
        {
            "a": np.arange(50),
            "b": pa.array(["x", None, "y"] * 16 + ["z"] * 2).dictionary_encode(),
            "c": pa.array([None if n % 7 == 0 else n / 3 for n in range(50)]),
            "d": pa.array([n * 10**9 for n in range(50)], pa.timestamp("us")),
            "e": pa.array([n % 2 == 0 for n in range(50)]),
        }
    )
    seeds = []
    for packing, version in (("none", "1.0"), ("snappy", "2.6"), ("zstd", "2.6")):
        sink = io.BytesIO()
        pages = "2.0" if version == "2.6" else "1.0"
        pq.write_table(table, sink, compression=packing, version=version, data_page_version=pages)
        seeds.append(sink.getvalue())
    sink = io.BytesIO()
    pq.write_table(table, sink, store_schema=False, use_dictionary=False, compression="gzip")
    return Target(read_file, [*seeds, sink.getvalue()], [b"PAR1", b"\x15\x02", b"\x19\x1c", b"\0"])


def _npz() -> Target:
    def saved(*arrays: np.ndarray) -> bytes:
        sink = io.BytesIO()
        for array in arrays:
            np.lib.format.write_array(sink, array)
        return sink.getvalue()

    labels = np.array(["a", "b", "3 kg", ""])
    seeds = [
        saved(np.arange(8.0).reshape(4, 2), np.arange(4)),
        saved(np.zeros((4, 3, 3), np.uint8), labels),
        saved(np.zeros((4, 3, 2, 2), np.float16), np.array([True, False] * 2)),
        saved(np.asfortranarray(np.ones((4, 2), ">i4")), labels[:, None]),
    ]
    words = [b"'descr'", b"'shape'", b"'fortran_order'", b"True", b"(4, 2)", b"()", b"(-1,)", b"|O"]
    words += [b"<f8", b"<U99999", b">c16", b"|V8", b"<M8[D]", b"'<i4,<i4'", b"{", b"}", b"1e9"]
    return Target(read_arrays, seeds, words)


def _tensors() -> Target:
    def body(*inputs: dict[str, object], data: bytes = b"") -> bytes:
        text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        return b"%d\n" % len(text) + text + data

    def about(name: str, kind: str, shape: list[int], **more: object) -> dict[str, object]:
        return {"name": name, "datatype": kind, "shape": shape, **more}

    size = {"parameters": {"binary_data_size": 16}}
    texts = b"".join(struct.pack("<I", 4) + b"text" for _ in range(2))
    seeds = [
        body(about("x", "FP32", [2, 2], **size), data=np.ones(4, np.float32).tobytes()),
        body(about("x", "BYTES", [2], **size), data=texts),
        body(about("x", "FP16", [2], parameters={"binary_data_size": 4}), data=b"\0<\0<"),
        body(about("x", "INT64", [2], data=[1, 2]), about("y", "BOOL", [2], data=[True, False])),
    ]
    words = [b"FP64", b"BYTES", b"UINT8", b"INT64", b"[2]", b"[-1]", b"[99999999999]", b"null"]
    words += [b"1e400", b'"data"', b'"shape"', b'"parameters"', b"binary_data_size", b"{", b"]"]
    return Target(read_tensors, seeds, words)


TARGETS = {"csv": _csv, "parquet": _parquet, "npz": _npz, "tensors": _tensors}


def changed(target: Target, chance: random.Random) -> bytes:
    """A good input with some changes."""
    data = bytearray(chance.choice(target.seeds))
    for _ in range(chance.randint(1, MOST_CHANGES)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 4, 8, 30)))
        kind = chance.randrange(7)
        if kind == 0:
            data[at:end] = chance.randbytes(end - at)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * chance.choice((1, 3, 200))
        elif kind == 3:
            data[at:at] = chance.choice(target.words)
        elif kind == 4:
            word = chance.choice(target.words)
            data[at : at + len(word)] = word
        elif kind == 5:
            number = struct.pack("<Q", chance.choice(NUMBERS))[: chance.choice((1, 2, 4, 8))]
            data[at : at + len(number)] = number
        elif data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def tried(target: Target, data: bytes) -> str | None:
    """What is wrong with how an input was taken, in a line; none if nothing is."""
    begun = time.thread_time()
    try:
        target.read(data)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {error}"
    took = time.thread_time() - begun
    return f"took {took:.1f} s" if took > SECONDS else None


def main() -> None:
    """Try for a time, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=[], choices=[*TARGETS, []])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for name in options.targets or TARGETS:
        target, chance = TARGETS[name](), random.Random(options.seed)
        found: dict[str, bytes] = {}
        count, until = 0, time.monotonic() + options.seconds
        with tempfile.NamedTemporaryFile(prefix=f"{name}-", delete=False) as now:
            while time.monotonic() < until:
                data = changed(target, chance)
                now.seek(0)
                now.truncate()
                now.write(data)
                now.flush()
                wrong = tried(target, data)
                if wrong is not None:
                    found.setdefault(wrong, data)
                count += 1
        sys.stdout.write(f"{name}: {count:,} executions, {len(found)} findings\n")
        for wrong, data in found.items():
            sys.stdout.write(f"  {wrong}: {data[:300]!r}\n")
        sys.stdout.flush()
        Path(now.name).unlink()


if __name__ == "__main__":
    main()
