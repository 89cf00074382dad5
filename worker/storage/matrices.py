"""Encoded data sets on this machine's disk, of which its trainers share the pages.

They are made from what is stored, may be thrown away at any time, and are no artefacts. Each
belongs to one data set and lies in a folder of its own: the matrix as plain float32, what belongs
to it, and ``manifest.json``. It is written under another name and renamed; nothing is written to it
after that, and it is opened for reading alone. Its name holds the machine's boot: it is not synced,
so that nobody waits for the disk, and what a power failure leaves is never looked for again. Of
those that are too many the ones that were used longest ago are removed; who has one open keeps it.
"""

import fcntl
import hashlib
import mmap
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

FOLDER = "encoded"
"""In the state folder."""
MANIFEST, MATRIX = "manifest.json", "x.f32"
WAIT_SECONDS = 0.02
_LOCKS = 64
_OWNER = re.compile(r"[a-z]+_[0-9a-z]+")
_ENTRY, _PART = re.compile(r"[0-9a-f]{40}"), re.compile(r"\.[0-9a-f]{40}\.part")
_ITEM = np.dtype(np.float32).itemsize


@dataclass(frozen=True, eq=False)
class StoredMatrix:
    """A matrix on the disk."""

    x: NDArray[np.float32]
    """Its pages are read as they are needed; it cannot be written to."""
    files: Mapping[str, bytes]
    """What belongs to it."""


class MatrixStore:
    """The matrices in one folder, ``most_bytes`` of them. What the disk does not allow is an
    ``OSError``.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes

    def takes(self, size: int) -> bool:
        """Whether a matrix of so many bytes has a place here, and leaves as much of the disk."""
        if size > self._most_bytes:
            return False
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self._folder).free > 2 * size

    def find(self, owner: str, key: str) -> StoredMatrix | None:
        """A matrix, if it is there."""
        place = self._place(owner, key)
        try:
            about = orjson.loads((place / MANIFEST).read_bytes())
            files = {name: (place / name).read_bytes() for name in about["files"]}
            with (place / MATRIX).open("rb") as file:
                if os.fstat(file.fileno()).st_size != prod(about["shape"]) * _ITEM:
                    return None
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            os.utime(place)
        except FileNotFoundError:
            return None
        x = np.frombuffer(pages, dtype=np.float32).reshape(about["shape"])
        return StoredMatrix(x, files)

    def add(
        self,
        owner: str,
        key: str,
        shape: tuple[int, ...],
        pieces: Iterable[tuple[int, NDArray[np.float32]]],
        files: Mapping[str, bytes],
    ) -> StoredMatrix:
        """Keep a matrix, given as pieces with the places of their first numbers. To be called by
        who has it :meth:`alone`.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room(prod(shape) * _ITEM)
        place = self._place(owner, key)
        part = place.with_name(f".{place.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        for folder in (place.parent, part):
            folder.mkdir(mode=0o700, exist_ok=True)
        try:
            with _new(part / MATRIX) as file:
                for first, piece in pieces:
                    file.seek(first * _ITEM)
                    file.write(np.ascontiguousarray(piece))
            manifest = orjson.dumps({"shape": shape, "files": list(files)})
            for name, content in {**files, MANIFEST: manifest}.items():
                with _new(part / name) as file:
                    file.write(content)
            shutil.rmtree(place, ignore_errors=True)  # a damaged one
            part.rename(place)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        stored = self.find(owner, key)
        if stored is None:
            raise FileNotFoundError(place)
        return stored

    @contextmanager
    def alone(self, owner: str, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Nobody else makes this matrix meanwhile; ``waiting`` is called while others do."""
        with self._lock(self._place(owner, key).name) as file:
            while not _locked(file):
                waiting()
                time.sleep(WAIT_SECONDS)
            yield

    def forget(self, owner: str) -> None:
        """Remove all matrices of a data set."""
        shutil.rmtree(self._folder / _checked(owner), ignore_errors=True)

    def owners(self) -> list[str]:
        """The data sets that have some."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            return [each.name for each in entries if _OWNER.fullmatch(each.name)]
        return []

    def _place(self, owner: str, key: str) -> Path:
        name = hashlib.sha256(f"{_boot()} {key}".encode()).hexdigest()[:40]
        return self._folder / _checked(owner) / name

    @contextmanager
    def _lock(self, name: str) -> Iterator[int]:
        folder = self._folder / "locks"
        for each in (self._folder, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = folder / str(int(name, 16) % _LOCKS)
        file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield file
        finally:
            os.close(file)

    def _make_room(self, size: int) -> None:
        """Remove what was used longest ago until there is room, and what nobody goes on writing."""
        entries: list[tuple[float, int, Path]] = []
        for owner in self.owners():
            for place in list((self._folder / owner).iterdir()):
                with suppress(FileNotFoundError):
                    if _PART.fullmatch(place.name):
                        self._remove_abandoned(place)
                    elif _ENTRY.fullmatch(place.name):
                        used = place.stat().st_mtime
                        entries.append((used, (place / MATRIX).stat().st_size, place))
        left = sum(held for _, held, _ in entries) + size - self._most_bytes
        for _, held, place in sorted(entries):
            if left <= 0:
                return
            shutil.rmtree(place, ignore_errors=True)
            left -= held

    def _remove_abandoned(self, part: Path) -> None:
        with self._lock(part.name.strip(".").removesuffix(".part")) as file:
            if _locked(file):
                shutil.rmtree(part, ignore_errors=True)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _new(path: Path) -> Any:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(handle, "wb", buffering=0x100000)


def _checked(owner: str) -> str:
    if not _OWNER.fullmatch(owner):
        raise ValueError(f"{owner!r} is no id of a data set")
    return owner


@lru_cache
def _boot() -> str:
    """Which start of the machine this is; of systems that do not say it, this process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(os.getpid())
