"""Zip archives of many files: what is in them, checked before anything is unpacked.

Decisions:

* Nothing is written to disk, so a path cannot lead anywhere; one that tries to is refused all the
  same, as are links and encrypted entries: such an archive was not made by hand.
* Caps on entries, on unpacked bytes in all, and on the ratio of unpacked to packed bytes, which for
  images is near 1. Entries are then read to their announced size, not further.
* What an operating system adds (`__MACOSX`, `.DS_Store`, `Thumbs.db`, hidden files) is left out.
"""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from worker.errors import DataError

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
"""What `zipfile` raises for an archive that is damaged, or packed in a way that it cannot read."""
_SYSTEM = {"__MACOSX", "Thumbs.db", "desktop.ini"}
_ENCRYPTED = 0x1
_SMALL = 2**20
"""An entry that unpacks to no more than this may have any ratio."""


@dataclass(frozen=True)
class ArchiveLimits:
    """How much an archive may hold."""

    entries: int = 200_000
    bytes: int = 2 * 2**30
    """Of all entries together, unpacked."""
    ratio: int = 100
    """Unpacked to packed bytes of one entry."""


@dataclass(frozen=True)
class Entry:
    """One file of an archive."""

    path: PurePosixPath
    info: zipfile.ZipInfo


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive at `path`.

    Raises:
        DataError: it is not a whole zip archive.
    """
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED as error:
        raise _error(
            f"The file is not a whole zip archive: {error}. Zip it anew.", "not_zip"
        ) from error
    with archive:
        yield archive


def entries(archive: zipfile.ZipFile, limits: ArchiveLimits) -> list[Entry]:
    """The files of an archive, by path.

    Raises:
        DataError: one of them is not a plain file with a plain path, a path is there twice, or
            there is more than `limits` allow.
    """
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > limits.entries:
        raise _error(
            f"The archive has {len(infos):,} files; at most {limits.entries:,} are read.",
            "too_many_files",
        )
    total = sum(info.file_size for info in infos)
    if total > limits.bytes:
        raise _error(
            f"Unpacked, the archive takes {total / 2**30:.1f} GiB; at most "
            f"{limits.bytes / 2**30:.1f} are read. Upload fewer or smaller files.",
            "too_large",
        )
    found = [Entry(_path(info), info) for info in infos]
    found = [entry for entry in found if not _is_system(entry.path)]
    _check_twice(found)
    for entry in found:
        _check(entry, limits)
    return sorted(found, key=lambda entry: entry.path.parts)


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    # The name as it stands in the archive: zipfile turns backslashes of some systems into slashes.
    name = info.orig_filename
    path = PurePosixPath(name)
    first = next(iter(path.parts), ":")
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in first:
        raise _error(
            f"The archive holds the path {name[:100]!r}, which leads out of it. Zip a folder "
            "whose files have relative paths.",
            "unsafe_path",
            file=name[:200],
        )
    if not name.isprintable():
        raise _error(
            f"The archive holds the path {name[:100]!r}, which cannot be shown. Rename the file.",
            "unsafe_path",
        )
    return path


def _is_system(path: PurePosixPath) -> bool:
    return any(part in _SYSTEM or part.startswith(".") for part in path.parts)


def _check_twice(found: Sequence[Entry]) -> None:
    seen: set[PurePosixPath] = set()
    for entry in found:
        if entry.path in seen:
            raise _error(
                f"The archive holds {str(entry.path)!r} twice. Zip the folder anew.",
                "duplicate_file",
                file=str(entry.path),
            )
        seen.add(entry.path)


def _check(entry: Entry, limits: ArchiveLimits) -> None:
    info = entry.info
    fact = ""
    if stat.S_ISLNK(info.external_attr >> 16):
        fact = "is a link; zip the files themselves"
    elif info.flag_bits & _ENCRYPTED:
        fact = "is encrypted; zip the files without a password"
    elif info.file_size > max(_SMALL, limits.ratio * info.compress_size):
        fact = (
            f"unpacks to more than {limits.ratio} times its size, which images do not; zip the "
            "files anew"
        )
    if fact:
        raise _error(
            f"The file {str(entry.path)!r} of the archive {fact}.",
            "unsafe_archive",
            file=str(entry.path),
        )


def _error(message: str, code: str, **extra: object) -> DataError:
    return DataError(message, code=code, param="file", **extra)
