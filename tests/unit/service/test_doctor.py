"""What the doctor judges, and that it names a remedy for all that is unfit."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service import doctor
from service.cli import app
from worker.errors import UnavailableError
from worker.runtime.redis_server import RedisBinary
from worker.settings import ServiceSettings


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return ServiceSettings(state=tmp_path / "state")


@pytest.mark.parametrize(
    ("version", "fit"), [((3, 40, 1), False), ((3, 51, 2), False), ((3, 51, 3), True), ((4,), True)]
)
def test_sqlite_must_be_safe_with_several_writers(version: tuple[int, ...], fit: bool) -> None:
    found = doctor.examine_sqlite(version, "sqlite3")
    assert found.fit is fit
    assert bool(found.remedy) is not fit


def test_an_old_python_is_unfit() -> None:
    assert doctor.examine_python((3, 10)).remedy == "install Python 3.11 or newer"
    assert doctor.examine_python((3, 13)).fit


def test_postgresql_needs_its_driver_and_a_start_says_so_in_a_line(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = "postgresql://db/parsimony"
    found = doctor.examine_database(settings.model_copy(update={"database_url": url}))
    assert not found.fit
    assert "parsimony[postgresql]" in found.found
    environment = {"PARSIMONY_STATE": str(settings.state), "PARSIMONY_DATABASE_URL": url}
    for command in (["api", "--port", "0"], ["up", "--port", "0"], ["migrate"], ["keys", "list"]):
        run = CliRunner().invoke(app, command, env=environment)
        assert run.exit_code == 1, command
        assert run.stderr == (
            "parsimony: database_url is PostgreSQL's, and its driver psycopg is not installed: "
            "pip install 'parsimony[postgresql]', or pip install 'psycopg[binary]'\n"
        )


def test_an_old_redis_is_unfit(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    old = RedisBinary(Path("/usr/bin/redis-server"), "redis-server", (5, 0, 14))
    monkeypatch.setattr(doctor, "find_redis", lambda: old)
    found = doctor.examine_redis(settings)
    assert found.fit is False
    assert "PARSIMONY_REDIS_URL" in found.remedy


def test_no_redis_is_unfit(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> RedisBinary:
        raise UnavailableError("install one")

    monkeypatch.setattr(doctor, "find_redis", none)
    assert doctor.examine_redis(settings).remedy == "install one"


def test_a_redis_that_does_not_answer_is_unfit_and_its_password_stays_secret(
    tmp_path: Path,
) -> None:
    elsewhere = ServiceSettings(state=tmp_path, redis_url="redis://:hunter2@127.0.0.1:1/0")
    found = doctor.examine_redis(elsewhere)
    assert found.fit is False
    assert "hunter2" not in f"{found.found}{found.remedy}"


def test_a_state_folder_that_is_a_file_is_unfit(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = doctor.examine_state(ServiceSettings(state=tmp_path / "file"))
    assert found.fit is False
    assert "--state" in found.remedy


def test_looking_creates_nothing(settings: ServiceSettings) -> None:
    assert doctor.examine_state(settings).fit
    assert not settings.state.exists()


def test_the_command_fails_if_something_is_unfit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfit = doctor.Examination("Redis", "none found", fit=False, remedy="install one")
    monkeypatch.setattr(doctor, "examinations", lambda settings: iter([unfit]))
    done = CliRunner().invoke(app, ["doctor", "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert "install one" in done.output
