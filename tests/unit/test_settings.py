from pathlib import Path

import pytest
from pydantic import ValidationError

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
