"""A folder on a local disk that appears whole, and is there after a power failure."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from worker.failpoints import failpoint
from worker.storage.contents import SettledFile


def write_folder(final: Path, files: Mapping[str, Iterable[bytes]]) -> None:
    """Write files, given piece by piece, or link those that are settled, and rename their folder
    into place. ``OSError`` leaves nothing behind.
    """
    temporary = final.with_name(f".{final.name}.part")
    parents = _make_folders(final.parent)
    failpoint("file.before")
    temporary.mkdir(mode=0o700)
    try:
        for name, pieces in files.items():
            if isinstance(pieces, SettledFile) and pieces.link(temporary / name):
                continue
            handle = os.open(temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(temporary)
        failpoint("file.rename")
        temporary.replace(final)
        failpoint("file.renamed")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for parent in [final.parent, *parents]:
        sync_folder(parent)


def _make_folders(folder: Path) -> list[Path]:
    """Create a folder; give back the parents that gained an entry, and so must be synced."""
    touched = []
    missing = folder
    while not missing.exists():
        touched.append(missing.parent)
        missing = missing.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return touched


def sync_folder(folder: Path) -> None:
    """Have what is in a folder, and its name, outlive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
