"""Copies of an installation that keeps SQLite and a folder: taken while it runs, and restored.

The database is copied first, as of one instant. Files are never changed once they are written, so
that those which its rows refer to may be copied afterwards, however long that takes. What was
removed meanwhile (a checkpoint that a later one replaced, a data set that a user deleted) makes
another copy of the database necessary; files that were copied before are not copied again. A copy
is whole if it has its ``manifest.json``, which is written last, with the hash of every file.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Select, create_engine, make_url, select, text
from sqlalchemy.orm import Session

from worker.errors import ConflictError, ParsimonyError
from worker.settings import ServiceSettings
from worker.storage.artefacts import MANIFEST, ArtefactError, contained
from worker.storage.contents import PIECE
from worker.storage.database import sqlite_module
from worker.storage.local_folders import sync_folder
from worker.storage.states import OPEN, Kind
from worker.storage.tables import Checkpoint, Dataset, Fleet, Job, ModelVersion, PredictionPart
from worker.storage.types import utc_now

FORMAT = 1
DATABASE, ARTEFACTS = "parsimony.db", "artefacts"
"""Where a copy has them, and a state folder too."""
ROUNDS = 5
"""Copies of the database at most: by then only what can be made anew may have gone again."""
BUSY_SECONDS = 60.0


class BackupError(ParsimonyError):
    """A copy cannot be taken, or is not what was copied."""

    code = "backup"


@dataclass(frozen=True)
class Copied:
    """What a copy holds."""

    files: int
    bytes: int
    created_at: datetime
    left_out: list[str]
    """Checkpoints and parts of predictions that were replaced faster than they could be copied, or
    were damaged: what needs them goes on from earlier ones, or from its start."""


@dataclass(frozen=True)
class _Folder:
    """A folder of artefacts that a row refers to."""

    path: str
    sha256: dict[str, str]
    """What the row says of its files, by name."""
    is_spare: bool = False
    """Whether what it holds is made anew if it is missing: a checkpoint, a part of a prediction."""


def create(settings: ServiceSettings, folder: Path, *, release: str) -> Copied:
    """Copy the database and all files that it refers to into a new folder.

    Raises:
        ConflictError: something is in the folder.
        BackupError: this installation has another database or store than SQLite and a folder.
        ArtefactError: a stored file is damaged, or missing for good.
    """
    database, artefacts = _places(settings)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} is not empty; a backup needs a folder of its own")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    copy = folder / DATABASE
    copied: dict[str, _Entry] = {}
    for last in (*[False] * (ROUNDS - 1), True):
        created_at = utc_now()
        copy.unlink(missing_ok=True)
        _copy_database(database, copy)
        needed = list(_referred(copy))
        gone = _copy_artefacts(artefacts, folder / ARTEFACTS, needed, copied)
        if not gone or (last and all(each.is_spare for each in gone)):
            break
    else:
        missing = next(each for each in gone if not each.is_spare)
        raise ArtefactError(f"{missing.path} is missing", code="artefact_missing")
    _remove_superfluous(folder / ARTEFACTS, needed, copied)
    entries = {DATABASE: _entry(copy)} | {f"{ARTEFACTS}/{p}": e for p, e in copied.items()}
    result = Copied(
        files=len(entries),
        bytes=sum(entry.bytes for entry in entries.values()),
        created_at=created_at,
        left_out=sorted(each.path for each in gone),
    )
    _write_manifest(folder, result, entries, release)
    return result


def restore(folder: Path, state: Path) -> Copied:
    """Make a new state folder of a copy; every file is checked before anything is there.

    Raises:
        ConflictError: something is in the state folder.
        BackupError: the copy is not whole, or not what was copied.
    """
    state = state.expanduser().absolute()
    if state.exists() and (not state.is_dir() or any(state.iterdir())):
        raise ConflictError(f"{state} is not empty; give --state a folder that is not there yet")
    result, entries = _read_manifest(folder)
    part = state.with_name(f".{state.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    try:
        for path, entry in entries.items():
            source = folder / path
            if not source.is_file() or _copy(source, part / path) != entry:
                raise BackupError(f"{source} is missing, or is not what was copied")
        (part / ARTEFACTS).mkdir(exist_ok=True)
        sync_folder(part)
        part.replace(state)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync_folder(state.parent)
    return result


def _places(settings: ServiceSettings) -> tuple[Path, Path]:
    """The file of the database, and the folder of the artefacts."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise BackupError(
            f"the database is {url.get_backend_name()}: take its backups by its own means, for "
            "example pg_dump or continuous archiving, as docs/operations.md says"
        )
    if "://" in settings.artefacts_url and not settings.artefacts_url.startswith("file://"):
        store = settings.artefacts_url.partition("://")[0]
        raise BackupError(
            f"the artefacts are in {store}: keep versions of its objects, as docs/operations.md "
            "says"
        )
    database = Path(url.database)
    if not database.is_file():
        raise BackupError(f"{database} is not there; give the installation's folder by --state")
    return database, Path(settings.artefacts_url.removeprefix("file://"))


def _copy_database(database: Path, copy: Path) -> None:
    """As of one instant; nobody who writes is held up."""
    module = sqlite_module()
    connection = module.connect(str(database), timeout=BUSY_SECONDS, isolation_level=None)
    with closing(connection):
        connection.execute("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)
    with _reading(copy) as session:
        verdict = session.scalar(text("PRAGMA quick_check"))
    if verdict != "ok":
        raise BackupError(f"the database is damaged: {verdict}")


def _reading(copy: Path) -> Session:
    """A session on a copy of the database that changes nothing of it."""
    module = sqlite_module()
    address = f"{copy.absolute().as_uri()}?mode=ro&immutable=1"
    engine = create_engine(
        "sqlite://", module=module, creator=lambda: module.connect(address, uri=True)
    )
    return Session(engine)


def _referred(copy: Path) -> Iterator[_Folder]:
    """The folders that the rows of a copy refer to and need; first those that may go soon."""
    folders = (
        select(Checkpoint.path, Checkpoint.sha256)
        .join(Fleet, Fleet.id == Checkpoint.fleet_id)
        .where(Fleet.state.in_(OPEN)),
        select(PredictionPart.path, PredictionPart.sha256)
        .join(Job, Job.id == PredictionPart.prediction_id)
        .where(Job.state.in_(OPEN)),
    )
    deleted = select(Job.id).where(Job.kind == Kind.DELETED)
    files: tuple[Select[Any, Any], ...] = (
        select(Fleet.result_path, Fleet.result_sha256).where(Fleet.job_id.not_in(deleted)),
        select(Job.ensemble_path, Job.ensemble_sha256).where(Job.kind != Kind.DELETED),
        select(ModelVersion.path, ModelVersion.sha256),
        select(Dataset.path, Dataset.sha256),
        select(Dataset.source_path, Dataset.source_sha256),
    )
    by_folder: dict[str, dict[str, str]] = {}
    with _reading(copy) as session:
        for query in folders:
            for path, sha256 in session.execute(query):
                yield _Folder(path, {MANIFEST: sha256}, is_spare=True)
        for stored in files:
            for row in session.execute(stored):
                if row[0] is not None:
                    parent, _, name = str(row[0]).rpartition("/")
                    by_folder.setdefault(parent, {})[name] = str(row[1])
        for parent, hashes in by_folder.items():
            yield _Folder(parent, hashes)


@dataclass(frozen=True)
class _Entry:
    bytes: int
    sha256: str


def _copy_artefacts(
    source: Path, target: Path, needed: Iterable[_Folder], copied: dict[str, _Entry]
) -> list[_Folder]:
    """Copy what is not there yet; those that are gone."""
    gone = []
    for folder in needed:
        if all(f"{folder.path}/{name}" in copied for name in folder.sha256):
            continue
        try:
            entries = _copy_folder(source / folder.path, target / folder.path, folder)
        except (FileNotFoundError, ArtefactError) as error:
            shutil.rmtree(target / folder.path, ignore_errors=True)
            if isinstance(error, ArtefactError) and not folder.is_spare:
                raise
            gone.append(folder)
            continue
        copied.update({f"{folder.path}/{name}": entry for name, entry in entries.items()})
    return gone


def _copy_folder(source: Path, target: Path, folder: _Folder) -> dict[str, _Entry]:
    """All files of a folder, each checked against its row and its manifest, if it has one."""
    names = sorted(path.name for path in source.iterdir() if path.is_file())
    copies = {name: _copy(source / name, target / name) for name in names}
    expected = dict(folder.sha256)
    if MANIFEST in copies:
        entries = orjson.loads((target / MANIFEST).read_bytes())
        expected = {name: entry["sha256"] for name, entry in entries.items()} | expected
    for name, sha256 in expected.items():
        if name not in copies:
            raise FileNotFoundError(source / name)
        if copies[name].sha256 != sha256:
            raise ArtefactError(f"{folder.path}/{name} is damaged; it cannot be copied")
    return copies


def _remove_superfluous(target: Path, needed: Iterable[_Folder], copied: dict[str, _Entry]) -> None:
    """What an earlier copy of the database referred to, and the last one does not."""
    kept = {folder.path for folder in needed}
    for path in [path for path in copied if path.rpartition("/")[0] not in kept]:
        del copied[path]
        (target / path).unlink()


def _copy(source: Path, target: Path) -> _Entry:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(PIECE):
            digest.update(piece)
            size += writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    target.chmod(0o600)
    return _Entry(size, digest.hexdigest())


def _entry(path: Path) -> _Entry:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return _Entry(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _write_manifest(
    folder: Path, result: Copied, entries: Mapping[str, _Entry], release: str
) -> None:
    content = {
        "format": FORMAT,
        "release": release,
        "created_at": result.created_at,
        "left_out": result.left_out,
        "files": {path: vars(entry) for path, entry in sorted(entries.items())},
    }
    part = folder / f".{MANIFEST}.part"
    with part.open("wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / MANIFEST)
    sync_folder(folder)


def _read_manifest(folder: Path) -> tuple[Copied, dict[str, _Entry]]:
    try:
        content: dict[str, Any] = orjson.loads((folder / MANIFEST).read_bytes())
        form = content["format"]
        if form != FORMAT:
            raise BackupError(f"{folder} has format {form}; this release reads format {FORMAT}")
        entries = {contained(p): _Entry(**entry) for p, entry in content["files"].items()}
        created_at = datetime.fromisoformat(content["created_at"])
        left_out = list(content["left_out"])
    except FileNotFoundError as error:
        raise BackupError(
            f"{folder} has no {MANIFEST}: it is no backup, or one that was interrupted"
        ) from error
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackupError(f"{folder / MANIFEST} is damaged: {error}") from error
    if DATABASE not in entries:
        raise BackupError(f"{folder / MANIFEST} is damaged: it names no {DATABASE}")
    total = sum(entry.bytes for entry in entries.values())
    return Copied(len(entries), total, created_at, left_out), entries
