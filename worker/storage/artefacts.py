"""Files that the database points at: data sets, checkpoints, results. Written once, never changed.

Protocol of a write: a folder of its own; each file written and synced; ``manifest.json`` (size and
SHA-256 of each file) last; the folder renamed into place and its parent synced; then everything
read back and hashed. Only then may a row refer to it. Object stores have no rename: there the
manifest, uploaded last under a key that is used once, is what makes the folder whole. A file that
is given open is copied piece by piece, and one that is settled, in the same file system, linked.

What goes wrong is told apart here, once for all who read and write: a store that cannot be written,
or does not answer, is ``UnavailableError``, for the place is at fault and the same will work later;
a file that is missing or not what was written is ``ArtefactError``.
"""

import errno
import hashlib
import io
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import orjson
from fsspec.implementations.local import LocalFileSystem

from worker.errors import ParsimonyError, UnavailableError
from worker.storage.contents import PIECE, Content, Entry, Pieces, pieces_of
from worker.storage.faults import in_words
from worker.storage.local_folders import write_folder
from worker.storage.object_stores import open_store

MANIFEST = "manifest.json"
_WRITTEN = re.compile(r"[0-9a-f]{32}|\.[0-9a-f]{32}\.part")
"""Names of folders that ``write`` makes, and makes them under."""
AT_ONCE = 2
"""Files that are read back at once."""
STORE_SECONDS = 10.0
"""How long an object store may take to go on with an answer, unless told otherwise."""
UNREADABLE = (errno.EIO, errno.EACCES, errno.EPERM)
"""Errors of reading that one file may have, while the others can be read."""


class ArtefactError(ParsimonyError):
    """A stored file is missing, or is not what was written."""

    code = "artefact_damaged"


class UnreadableError(UnavailableError):
    """The store answers, but does not give this one file. Who has another one may take that."""

    code = "artefacts_unavailable"


@dataclass(frozen=True)
class FileManifest:
    """What a folder holds. ``sha256`` is that of its ``manifest.json``."""

    path: str
    """The folder, relative to the root of the artefacts."""
    sha256: str
    files: Mapping[str, Entry]

    @property
    def bytes(self) -> int:
        """Size of all files together, without the manifest."""
        return sum(entry.bytes for entry in self.files.values())

    def file(self, name: str) -> str:
        """Path of one file, relative to the root of the artefacts."""
        return f"{self.path}/{name}"


@dataclass(frozen=True)
class StoredFolder:
    """A folder as it lies in the store."""

    path: str
    """Relative to the root of the artefacts."""
    bytes: int
    modified: datetime | None
    """When the last of its files was written; none where the store does not say."""

    def with_file(self, size: int, modified: datetime | None) -> "StoredFolder":
        """The folder with one more file."""
        times = [at for at in (self.modified, modified) if at is not None]
        return StoredFolder(self.path, self.bytes + size, max(times, default=None))


class Artefacts:
    """A folder of artefacts: a local one, or an fsspec URL such as ``s3://bucket/prefix``.

    Every method raises ``UnavailableError`` while the store is at fault. An object store is at
    fault after ``seconds`` without an answer. What is tried again, and when, is said by who calls.
    """

    def __init__(self, url: str, *, seconds: float = STORE_SECONDS) -> None:
        filesystem, root = open_store(url, seconds)
        self._filesystem: Any = filesystem
        self._root = root.rstrip("/")
        self._local = Path(root) if isinstance(filesystem, LocalFileSystem) else None
        # Whatever else a filesystem object raises comes from a store behind a network.
        self._faults = OSError if self._local is not None else Exception
        self._was_there = self._answers()
        """Whether anything was ever seen in it: then a folder that is empty is another one."""

    def write(self, folder: str, files: Mapping[str, Content]) -> FileManifest:
        """Write files into a new folder below ``folder``; whole and verified when it returns.

        Raises ``UnavailableError`` when they cannot be written, or read back wrong.
        """
        path = contained(f"{folder}/{uuid.uuid4().hex}")
        pieces = {_plain(name): pieces_of(content) for name, content in files.items()}
        if self._was_there and not self._answers():
            raise _unavailable("its folder is gone")  # and is not to be made anew in its place
        with self._answering():
            if self._local is not None:
                write_folder(self._local / path, {**pieces, MANIFEST: _last(pieces)})
            else:
                for name, content in files.items():
                    self._put(f"{self._root}/{path}/{name}", content, pieces[name])
                manifest = _manifest(pieces)
                self._put(f"{self._root}/{path}/{MANIFEST}", manifest, (manifest,))
        entries = {name: counted.entry for name, counted in pieces.items()}
        written = FileManifest(path=path, sha256=_sha256(_manifest(pieces)), files=entries)
        try:
            self._verify(written, [name for name, one in pieces.items() if not one.is_linked])
        except ArtefactError as error:
            raise _unavailable(f"what was just written to it is lost: {error.message}") from error
        self._was_there = True
        return written

    def _put(self, key: str, content: Content, pieces: Iterable[bytes]) -> None:
        if isinstance(content, bytes):
            self._filesystem.pipe_file(key, b"".join(pieces))
            return
        with self._filesystem.open(key, "wb") as file:
            for piece in pieces:
                file.write(piece)

    def _verify(self, written: FileManifest, copied: Collection[str]) -> None:
        """Read back what was written, ``ArtefactError`` where it is something else. A file that was
        given a name has been read where it lies.
        """
        self.read(written.file(MANIFEST), written.sha256)

        def found(name: str) -> Entry:
            path = written.file(name)
            opened = self._filesystem.open
            with self._reading(path), opened(f"{self._root}/{path}", "rb") as file:
                return Entry.of(file)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            # A thread takes longer to start than a small file to read.
            mapped = pool.map if written.bytes > PIECE else map
            for name, entry in zip(copied, mapped(found, copied), strict=True):
                if entry != written.files[name]:
                    raise _damaged(written.file(name))

    def read(self, path: str, sha256: str | None = None) -> bytes:
        """One file; ``ArtefactError`` when it is missing or, with a hash given, another one."""
        place = f"{self._root}/{contained(path)}"
        with self._reading(path):
            data: bytes = self._filesystem.cat_file(place)
        if sha256 is not None and _sha256(data) != sha256:
            raise _damaged(path)
        return data

    def open(self, path: str, sha256: str | None = None) -> BinaryIO:
        """One file, opened for reading piece by piece; it can be searched.

        ``ArtefactError`` when it is missing or, with a hash given, another one: that reads it once.
        """
        place = f"{self._root}/{contained(path)}"
        with self._reading(path):
            file = cast(BinaryIO, StoredFile(self._filesystem.open(place, "rb"), self, path))
        if sha256 is not None and Entry.of(file).sha256 != sha256:
            file.close()
            raise _damaged(path)
        file.seek(0)
        return file

    def load(self, path: str, sha256: str) -> dict[str, bytes]:
        """All files of a folder, each checked against the manifest, and that against ``sha256``."""
        manifest = orjson.loads(self.read(f"{path}/{MANIFEST}", sha256))
        files = {}
        for name, entry in manifest.items():
            data = self.read(f"{path}/{_plain(name)}", entry["sha256"])
            if len(data) != entry["bytes"]:
                raise ArtefactError(f"{path}/{name} is damaged: its length is another one")
            files[name] = data
        return files

    def delete(self, path: str) -> None:
        """Remove a folder. One that is not there is no error."""
        place = contained(path)
        with self._answering(), suppress(FileNotFoundError):
            if self._local is not None:
                shutil.rmtree(self._local / place)
            else:
                self._filesystem.rm(f"{self._root}/{place}", recursive=True)

    def discard(self, path: str) -> None:
        """Remove a folder that nothing refers to. What cannot be removed now is left to be
        collected.
        """
        with suppress(UnavailableError):
            self.delete(path)

    def folders(self, below: str = "") -> list[StoredFolder]:
        """The folders that were written, whole or not; what has another name is not listed."""
        place = f"{self._root}/{contained(below)}" if below else self._root
        self._filesystem.invalidate_cache()
        with self._answering():
            listed = self._filesystem.find(place, withdirs=self._local is not None, detail=True)
        by_path: dict[str, StoredFolder] = {}
        for key, about in listed.items():
            path = str(key).removeprefix(f"{self._root}/")
            is_folder = about.get("type") == "directory"
            folder = path if is_folder else path.rpartition("/")[0]
            if not _WRITTEN.fullmatch(folder.rpartition("/")[2]):
                continue
            known = by_path.get(folder, StoredFolder(folder, 0, None))
            by_path[folder] = known.with_file(0 if is_folder else about["size"], _modified(about))
        return list(by_path.values())

    def prune(self, path: str) -> None:
        """Remove the folders around a path that are empty, but for the outermost: object stores
        have none.
        """
        if self._local is None:
            return
        for parent in PurePosixPath(contained(path)).parents[:-2]:
            try:
                (self._local / parent).rmdir()
            except OSError:
                return

    def local_path(self, path: str) -> Path | None:
        """Where a file lies on this machine; none in an object store."""
        return None if self._local is None else self._local / contained(path)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Whatever the store raises here is its own fault."""
        try:
            yield
        except (ParsimonyError, MemoryError):
            raise
        except self._faults as error:
            raise _unavailable(in_words(error)) from error

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        """What the store raises here is the fault of this file, or its own."""
        try:
            yield
        except (ParsimonyError, MemoryError):
            raise
        except self._faults as error:
            raise self._on_reading(path, error) from error

    def _on_reading(self, path: str, error: Exception) -> ParsimonyError:
        if isinstance(error, FileNotFoundError) and self._answers(path.partition("/")[0]):
            return _missing(path)
        if isinstance(error, IsADirectoryError | NotADirectoryError):
            return ArtefactError(f"{path} is damaged: {in_words(error)}")
        alone = isinstance(error, OSError) and error.errno in UNREADABLE
        if alone and self._local is not None and self._answers():
            return UnreadableError(f"artefact store: {path}: {in_words(error)}")
        return _unavailable(in_words(error))

    def _answers(self, room: str = "") -> bool:
        """Whether what was once written can be seen at all, or what was written in one of its
        outermost folders. Of a volume that is not mounted, an empty folder is left.
        """
        if self._local is None:
            return True
        try:
            with os.scandir(self._local / room) as entries:
                return bool(room) or next(entries, None) is not None
        except OSError:
            return False


class StoredFile(io.BufferedIOBase):
    """A stored file that is open for reading; what goes wrong later is told apart as well."""

    def __init__(self, file: BinaryIO, store: Artefacts, path: str) -> None:
        self._file, self._store, self._path = file, store, path

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes; all that are left without a size."""
        with self._store._reading(self._path):
            return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to another place."""
        with self._store._reading(self._path):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The present place."""
        return self._file.tell()

    def fileno(self) -> int:
        """Its descriptor, where it lies on this machine; ``UnsupportedOperation`` elsewhere."""
        return self._file.fileno()

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Give it up."""
        self._file.close()
        super().close()


def _unavailable(reason: str) -> UnavailableError:
    return UnavailableError(f"artefact store: {reason}", code="artefacts_unavailable")


def _modified(about: Mapping[str, Any]) -> datetime | None:
    """When a file was written, as far as its file system says."""
    names = ("mtime", "LastModified", "updated", "last_modified", "created")
    at = next((about[name] for name in names if about.get(name) is not None), None)
    if isinstance(at, int | float):
        return datetime.fromtimestamp(at, UTC)
    return at if isinstance(at, datetime) else None


def _missing(path: str) -> ArtefactError:
    return ArtefactError(f"{path} is missing", code="artefact_missing")


def _damaged(path: str) -> ArtefactError:
    return ArtefactError(f"{path} is damaged: it is not the file that was written")


def _manifest(pieces: Mapping[str, Pieces]) -> bytes:
    entries = {name: counted.entry for name, counted in pieces.items()}
    return orjson.dumps(
        {name: {"bytes": e.bytes, "sha256": e.sha256} for name, e in entries.items()},
        option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2,
    )


def _last(pieces: Mapping[str, Pieces]) -> Iterator[bytes]:
    """The manifest, when it is asked for after all pieces."""
    yield _manifest(pieces)


def contained(path: str) -> str:
    """The path, if it stays below the root whatever it says."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or "\\" in path or "\0" in path or ".." in parts:
        raise ValueError(f"{path!r} is no path of an artefact")
    return "/".join(parts)


def _plain(name: str) -> str:
    if contained(name) != name or "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} is no file name of an artefact")
    return name


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
