from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from worker.errors import UnavailableError
from worker.settings import ServiceSettings


def test_everything_follows_from_the_state_folder(tmp_path: Path) -> None:
    settings = ServiceSettings(state=tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/parsimony.db"
    assert settings.artefacts_url == f"{tmp_path}/artefacts"
    assert settings.redis == f"unix://{settings.redis_socket}"
    assert settings.embedded_redis
    assert settings.threads >= 1


def test_children_get_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ServiceSettings(state=tmp_path, port=1234, threads=3, redis_url="redis://there:1/0")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert ServiceSettings() == settings


def test_every_setting_is_described() -> None:
    assert [n for n, f in ServiceSettings.model_fields.items() if not f.description] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("redis_url", "redis-cluster://a"),
        ("redis_url", "amqp://a"),
        ("lease_seconds", 2.0),
        ("lease_seconds", float("inf")),
        ("workers", 0),
        ("device", "tpu"),
        ("port", 70_000),
        ("unknown", 1),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ServiceSettings.model_validate({"state": tmp_path, field: value})


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_state_folder_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "state"
    settings = ServiceSettings(state=folder)
    assert settings.prepare_state().stat().st_mode & 0o777 == 0o700
    folder.chmod(mode)
    with pytest.raises(UnavailableError, match="chmod 700"):
        settings.prepare_state()
    folder.chmod(0o755)  # others may look at its names, and read nothing in it
    settings.prepare_state()


def test_a_first_key_is_no_part_of_what_children_or_logs_are_told() -> None:
    settings = ServiceSettings(first_key=SecretStr("pk_secret"))
    assert "pk_secret" not in f"{settings!r} {settings.environment()}"
