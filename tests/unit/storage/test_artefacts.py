import hashlib
import os
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

import pytest

from worker.errors import UnavailableError
from worker.storage.artefacts import MANIFEST, ArtefactError, Artefacts
from worker.storage.contents import PIECE, SettledFile

FILES = {"state.safetensors": bytes(range(256)) * 8, "state.json": b'{"epoch": 3}'}


@pytest.fixture(params=["local", "memory"])
def artefacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artefacts:
    local = request.param == "local"
    return Artefacts(str(tmp_path / "artefacts") if local else f"memory://{uuid4().hex}")


def test_what_is_written_is_read(artefacts: Artefacts) -> None:
    written = artefacts.write("jobs/a", FILES)
    assert artefacts.load(written.path, written.sha256) == FILES
    assert artefacts.read(written.file("state.json")) == FILES["state.json"]
    assert written.bytes == sum(len(data) for data in FILES.values())


def test_two_writes_never_meet(artefacts: Artefacts) -> None:
    assert artefacts.write("jobs/a", FILES).path != artefacts.write("jobs/a", FILES).path


def test_deleting_twice_is_no_error(artefacts: Artefacts) -> None:
    written = artefacts.write("jobs/a", FILES)
    artefacts.delete(written.path)
    artefacts.delete(written.path)
    with pytest.raises(ArtefactError, match="missing"):
        artefacts.load(written.path, written.sha256)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "remove"])
def test_any_damage_is_found(tmp_path: Path, name: str, damage: str) -> None:
    artefacts = Artefacts(str(tmp_path))
    written = artefacts.write("jobs/a", FILES)
    file = tmp_path / written.path / name
    data = bytearray(file.read_bytes())
    if damage == "remove":
        file.unlink()
    else:
        if damage == "flip":
            data[len(data) // 2] ^= 1
        file.write_bytes(
            {"flip": bytes(data), "truncate": bytes(data[:-1]), "append": bytes(data) + b" "}[
                damage
            ]
        )
    with pytest.raises(ArtefactError):
        artefacts.load(written.path, written.sha256)


class Failing(BytesIO):
    """A file that fails behind its first piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError("the disk is gone")
        return super().read(size)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    artefacts = Artefacts(str(tmp_path))
    with pytest.raises(UnavailableError, match="artefact store"):
        artefacts.write("jobs/a", {"a": b"1", "b": Failing(b"2")})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("size", [0, 5, PIECE, 2 * PIECE + 1])
def test_an_open_file_is_copied_from_its_beginning(artefacts: Artefacts, size: int) -> None:
    data = bytes(size % 251 for _ in range(size)) if size < 10 else bytes(size)
    file = BytesIO(data)
    file.seek(size)
    written = artefacts.write("datasets", {"source": file, "table": b"t"})
    assert written.files["source"].sha256 == hashlib.sha256(data).hexdigest()
    assert artefacts.load(written.path, written.sha256) == {"source": data, "table": b"t"}


def test_an_open_file_is_gone_through_once(artefacts: Artefacts) -> None:
    class Counted(BytesIO):
        passes = 0

        def seek(self, offset: int, whence: int = 0, /) -> int:
            self.passes += 1
            return super().seek(offset, whence)

    file = Counted(b"row" * PIECE)
    written = artefacts.write("datasets", {"source": file, "table": BytesIO(b"t")})
    assert artefacts.load(written.path, written.sha256)["source"] == b"row" * PIECE
    assert file.passes == 1


@pytest.mark.parametrize("path", ["", "/etc", "a/../../b", "..", "a\\b", "a\0b"])
def test_paths_stay_inside(tmp_path: Path, path: str) -> None:
    artefacts = Artefacts(str(tmp_path / "in"))
    with pytest.raises(ValueError, match="no path of an artefact"):
        artefacts.read(path)
    with pytest.raises(ValueError, match="no path of an artefact"):
        artefacts.delete(path)


@pytest.mark.parametrize("name", ["../a", "a/b", ".a", ""])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="artefact"):
        Artefacts(str(tmp_path)).write("jobs", {name: b""})


def test_files_can_be_read_by_the_group_but_not_by_all(tmp_path: Path) -> None:
    written = Artefacts(str(tmp_path)).write("jobs", FILES)
    assert (tmp_path / written.file("state.json")).stat().st_mode & 0o777 == 0o600


def test_a_settled_file_is_given_a_name_and_not_copied(tmp_path: Path) -> None:
    artefacts = Artefacts(str(tmp_path / "store"))
    with (tmp_path / "sent").open("w+b") as file:
        file.write(b"row" * PIECE)
        file.flush()
        written = artefacts.write("datasets", {"source": SettledFile(file), "table": b"t"})
        stored = artefacts.local_path(written.file("source"))
        assert stored is not None
        assert stored.stat().st_ino == os.fstat(file.fileno()).st_ino
    assert stored.stat().st_mode & 0o777 == 0o600
    assert artefacts.load(written.path, written.sha256)["source"] == b"row" * PIECE


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="the system has no files without names")
def test_a_file_without_a_name_is_given_one(tmp_path: Path) -> None:
    artefacts = Artefacts(str(tmp_path / "store"))
    with os.fdopen(os.open(tmp_path, os.O_TMPFILE | os.O_RDWR, 0o600), "w+b") as file:
        file.write(b"1,2")
        file.flush()
        settled = SettledFile(file)
        assert settled.settle().bytes == 3
        written = artefacts.write("datasets", {"source": settled})
    assert settled.is_linked
    assert artefacts.read(written.file("source")) == b"1,2"


def test_a_settled_file_elsewhere_is_copied(artefacts: Artefacts, tmp_path: Path) -> None:
    with TemporaryFile(dir=tmp_path) as file:  # which may not be given a name
        file.write(b"row" * PIECE)
        file.flush()
        settled = SettledFile(file)
        written = artefacts.write("datasets", {"source": settled})
    assert not settled.is_linked
    assert artefacts.load(written.path, written.sha256)["source"] == b"row" * PIECE
