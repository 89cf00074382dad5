"""A log that has grown too large is set aside, while its writer goes on."""

import fcntl
from pathlib import Path

import pytest

from worker.runtime.logs import rotate, rotate_logs
from worker.settings import ServiceSettings


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_writer_goes_on_in_the_emptied_file(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("a") as writer:
        for number in range(4):
            writer.write(f"{number}" * 10)
            writer.flush()
            assert rotate(log, 9)
        writer.write("last")
    assert texts(tmp_path) == {
        "worker.log": "last",
        "worker.log.1": "3" * 10,
        "worker.log.2": "2" * 10,
    }


def test_a_small_log_and_none_are_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    assert not rotate(log, 9)
    log.write_text("123456789")
    assert not rotate(log, 9)
    assert texts(tmp_path) == {"worker.log": "123456789"}


def test_of_two_one_does_it(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("1234567890")
    with log.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not rotate(log, 9)
    assert rotate(log, 9)


def test_what_cannot_be_set_aside_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = ServiceSettings(state=tmp_path, log_bytes=4096)
    (tmp_path / "redis.log").write_bytes(b"x" * 5000)
    (tmp_path / "redis.log.1").mkdir()
    (tmp_path / "redis.log.2").write_text("in the way")
    (tmp_path / "worker.log").write_bytes(b"x" * 5000)
    rotate_logs(settings)
    assert "redis.log is not set aside" in caplog.text
    assert (tmp_path / "worker.log.1").stat().st_size == 5000
