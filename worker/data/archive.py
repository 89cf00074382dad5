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
from pathlib import PurePosixPath

from worker.data.reading import LIMITS, FileLimits, Source, file_error, too_large_unpacked
from worker.text import INVALID_NAME, control_character

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
class ArchivedFile:
    """One file of an archive."""

    path: PurePosixPath
    info: zipfile.ZipInfo


@contextmanager
def open_archive(source: Source) -> Iterator[zipfile.ZipFile]:
    """The archive that a file is.

    Raises:
        DataError: it is not a whole zip archive.
    """
    try:
        archive = zipfile.ZipFile(source)
    except DAMAGED as error:
        raise file_error("The file is not a whole zip archive. Zip it anew.", "not_zip") from error
    with archive:
        yield archive


def archived_files(archive: zipfile.ZipFile, limits: FileLimits = LIMITS) -> list[ArchivedFile]:
    """The files of an archive, by path.

    Raises:
        DataError: one of them is not a plain file with a plain path, a path is there twice, or
            there is more than `limits` allow.
    """
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > limits.files:
        raise file_error(
            f"The archive has {len(infos):,} files; at most {limits.files:,} are read.",
            "too_many_files",
        )
    total = sum(info.file_size for info in infos)
    if total > limits.unpacked:
        raise too_large_unpacked(
            "Unpacked, the archive takes", total, limits.unpacked, "Upload fewer or smaller files."
        )
    files = [ArchivedFile(_path(info), info) for info in infos]
    files = [file for file in files if not _is_system(file.path)]
    _check_paths_differ(files)
    for file in files:
        _check(file, limits)
    return sorted(files, key=lambda file: file.path.parts)


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    # The name as it stands in the archive: zipfile turns backslashes of some systems into slashes.
    name = info.orig_filename
    path = PurePosixPath(name)
    first = next(iter(path.parts), ":")
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in first:
        raise file_error(
            f"The archive holds the path {name[:100]!r}, which leads out of it. Zip a folder "
            "whose files have relative paths.",
            "unsafe_path",
            file=name[:200],
        )
    character = control_character(name)
    if character is not None:
        raise file_error(
            f"The archive holds the path {name[:100]!r}, with the control character {character}. "
            "Rename the file.",
            INVALID_NAME,
        )
    return path


def _is_system(path: PurePosixPath) -> bool:
    return any(part in _SYSTEM or part.startswith(".") for part in path.parts)


def _check_paths_differ(files: Sequence[ArchivedFile]) -> None:
    seen: set[PurePosixPath] = set()
    for file in files:
        if file.path in seen:
            raise file_error(
                f"The archive holds {str(file.path)!r} twice. Zip the folder anew.",
                "duplicate_file",
                file=file.path,
            )
        seen.add(file.path)


def _check(file: ArchivedFile, limits: FileLimits) -> None:
    info = file.info
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
        raise file_error(
            f"The file {str(file.path)!r} of the archive {fact}.",
            "unsafe_archive",
            file=file.path,
        )
