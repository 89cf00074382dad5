"""A store that fails is told apart from a file that is damaged."""

import errno
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fsspec import get_filesystem_class

from worker.errors import UnavailableError
from worker.storage.artefacts import ArtefactError, Artefacts, UnreadableError
from worker.storage.faults import in_words, is_collision, place_fault

FILES = {"state.safetensors": bytes(range(256)) * 8, "state.json": b'{"epoch": 3}'}
WRITING = [
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EMFILE, errno.EBADF),
]


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["fsync", "open"])
@pytest.mark.parametrize("number", WRITING, ids=errno.errorcode.__getitem__)
def test_a_folder_that_cannot_be_written_is_the_stores_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    artefacts = Artefacts(str(tmp_path / "artefacts"))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number))
        with pytest.raises(UnavailableError) as raised:
            artefacts.write("jobs/a", FILES)
    assert raised.value.code == "artefacts_unavailable"
    assert str(raised.value) == f"artefact store: {os.strerror(number).lower()}"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert artefacts.load(*address(artefacts.write("jobs/a", FILES))) == FILES


def address(written: Any) -> tuple[str, str]:
    return written.path, written.sha256


def test_a_real_limit_is_met(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    artefacts = Artefacts(str(tmp_path))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(UnavailableError, match="artefact store: file too large"):
            artefacts.write("jobs/a", FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_store_that_loses_what_it_took_is_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefacts = Artefacts(str(tmp_path))
    whole = Path.replace

    def lose(self: Path, target: Path) -> Path:
        (self / "state.json").write_bytes(b"another")
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", lose)
    with pytest.raises(UnavailableError, match="is lost"):
        artefacts.write("jobs/a", FILES)


def test_a_folder_in_place_of_a_file_is_damage(tmp_path: Path) -> None:
    artefacts = Artefacts(str(tmp_path))
    written = artefacts.write("jobs/a", FILES)
    file = tmp_path / written.file("state.json")
    file.unlink()
    file.mkdir()
    for read in (artefacts.read, artefacts.open):
        with pytest.raises(ArtefactError, match="is a directory"):
            read(written.file("state.json"))
    with pytest.raises(ArtefactError):
        artefacts.load(*address(written))


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES], ids=errno.errorcode.__getitem__)
def test_a_file_that_cannot_be_read_in_a_store_that_answers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    artefacts = Artefacts(str(tmp_path))
    written = artefacts.write("jobs/a", FILES)
    monkeypatch.setattr(artefacts._filesystem, "cat_file", failing(number))
    with pytest.raises(UnreadableError, match="state"):
        artefacts.read(written.file("state.json"))


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_volume_that_is_not_there_is_no_missing_file(tmp_path: Path, left: str) -> None:
    artefacts = Artefacts(str(tmp_path / "artefacts"))
    written = artefacts.write("jobs/a", FILES)
    (tmp_path / "artefacts").rename(tmp_path / "unmounted")
    if left == "an empty folder":
        (tmp_path / "artefacts").mkdir()
    with pytest.raises(UnavailableError) as raised:
        artefacts.load(*address(written))
    assert not isinstance(raised.value, UnreadableError)


def test_a_store_is_not_begun_anew_where_one_was(tmp_path: Path) -> None:
    artefacts = Artefacts(str(tmp_path / "artefacts"))
    written = artefacts.write("jobs/a", FILES)
    (tmp_path / "artefacts").rename(tmp_path / "unmounted")
    with pytest.raises(UnavailableError, match="its folder is gone"):
        artefacts.write("jobs/b", FILES)
    # A process that starts now cannot know it; what it writes elsewhere hides nothing.
    another = Artefacts(str(tmp_path / "artefacts"))
    another.write("readiness", FILES)
    with pytest.raises(UnavailableError):
        another.load(*address(written))


def test_an_open_file_that_fails_later(tmp_path: Path) -> None:
    artefacts = Artefacts(str(tmp_path))
    written = artefacts.write("jobs/a", FILES)
    with artefacts.open(written.file("state.json")) as file:
        assert file.read(2) == b'{"'
        file._file = Failing()  # type: ignore[attr-defined]
        with pytest.raises(UnavailableError, match="stale file handle"):
            file.read()


class Failing(BytesIO):
    """A file whose server has forgotten it."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.ESTALE, "Stale file handle")


def test_what_cannot_be_removed_is_said_or_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefacts = Artefacts(str(tmp_path))
    written = artefacts.write("jobs/a", FILES)
    monkeypatch.setattr("shutil.rmtree", failing(errno.EROFS))
    with pytest.raises(UnavailableError, match="read-only file system"):
        artefacts.delete(written.path)
    artefacts.discard(written.path)
    assert artefacts.load(*address(written)) == FILES


# Object stores.


class EndpointConnectionError(Exception):
    """As of botocore, which is no OSError."""


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError("https://key:secret@host"), PermissionError("Forbidden"), KeyError()],
)
def test_whatever_an_object_store_raises_is_its_fault(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    artefacts = Artefacts(f"memory://{uuid4().hex}")
    written = artefacts.write("jobs/a", FILES)

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    for name in ("cat_file", "open", "pipe_file", "rm"):
        monkeypatch.setattr(artefacts._filesystem, name, fail)
    for attempt in (
        lambda: artefacts.read(written.file("state.json")),
        lambda: artefacts.open(written.file("state.json")),
        lambda: artefacts.write("jobs/a", FILES),
        lambda: artefacts.delete(written.path),
    ):
        with pytest.raises(UnavailableError, match="artefact store: ") as raised:
            attempt()
        assert "secret" not in str(raised.value)


class Answering500(BaseHTTPRequestHandler):
    """A store that is up and broken."""

    def fail(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = fail  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def refusing() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    yield port


@contextmanager
def silent() -> Iterator[int]:
    """Takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def broken() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering500) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("kind", [refusing, silent, broken], ids=lambda kind: kind.__name__)
def test_an_s3_that_does_not_answer_is_at_fault_soon(
    monkeypatch: pytest.MonkeyPatch, kind: Callable[[], Any]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with kind() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        get_filesystem_class("s3").clear_instance_cache()
        artefacts = Artefacts(f"s3://bucket/{uuid4().hex}", seconds=0.2)
        for attempt in (
            lambda: artefacts.read("jobs/a"),
            lambda: artefacts.write("jobs", {"a": b"1"}),
        ):
            began = time.monotonic()
            with pytest.raises(UnavailableError, match="artefact store: "):
                attempt()
            assert time.monotonic() - began < 10  # 0.2 s and tries again, on a busy machine


def test_whose_fault_an_error_is() -> None:
    for error in (
        UnavailableError("the database cannot be used now"),
        OSError(errno.ENOSPC, "No space left on device"),
        ConnectionResetError(),
        TimeoutError(),
        PermissionError(errno.EACCES, "Permission denied"),
    ):
        assert place_fault(error) is not None
    for error in (OSError("odd"), FileNotFoundError(errno.ENOENT, "x"), ValueError(), KeyError()):
        assert place_fault(error) is None
        assert not is_collision(error)
    assert in_words(OSError(errno.EROFS, "/secret/place")) == "read-only file system"
    assert in_words(EndpointConnectionError("https://key:secret@host")) == (
        "endpoint connection error"
    )
