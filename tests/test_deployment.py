"""Dockerfile and docker-compose.yml name only what exists. No engine is needed to know that."""

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml
from typer.main import get_command

from service.cli import app
from tests.source import ROOT
from worker.settings import ServiceSettings

COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]
SETTINGS = {f"PARSIMONY_{name.upper()}" for name in ServiceSettings.model_fields}
OURS = ("api", "worker", "migrate")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_compose_file_is_valid(compose: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "tests/assets/compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(compose)


def test_the_stack_has_its_parts(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*OURS, "redis", "postgres"}
    devices = compose["services"]["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["capabilities"] == ["gpu"]


@pytest.mark.parametrize("name", OURS)
def test_its_commands_exist(compose: dict[str, Any], name: str) -> None:
    assert compose["services"][name]["command"][0] in COMMANDS


@pytest.mark.parametrize("name", OURS)
def test_its_settings_exist_and_are_valid(
    compose: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = compose["services"][name]["environment"]
    assert set(environment) <= SETTINGS | {"HOME"}
    for variable, value in environment.items():
        monkeypatch.setenv(variable, re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value))
    ServiceSettings()


@pytest.mark.parametrize("name", OURS)
def test_its_containers_write_to_their_volume_and_to_memory_alone(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["tmpfs"] == [service["environment"]["HOME"]]


def test_urls_name_services_of_the_file(compose: dict[str, Any]) -> None:
    environment = compose["services"]["api"]["environment"]
    for variable in ("PARSIMONY_DATABASE_URL", "PARSIMONY_REDIS_URL"):
        host = re.sub(r"\$\{[^}]*\}", "secret", environment[variable]).rpartition("@")[2]
        host = re.split(r"[:/]", host.rpartition("//")[2])[0]
        assert host in compose["services"]


def test_the_published_port_is_the_one_listened_on(
    compose: dict[str, Any], dockerfile: str
) -> None:
    api = compose["services"]["api"]
    inside = api["ports"][0].rpartition(":")[2]
    assert inside == api["environment"]["PARSIMONY_PORT"]
    assert f"EXPOSE {inside}" in dockerfile
    assert f":{inside}/readyz" in api["healthcheck"]["test"][-1]


def test_volumes_are_declared_and_mounted_where_the_image_keeps_its_state(
    compose: dict[str, Any], dockerfile: str
) -> None:
    state = re.search(r"PARSIMONY_STATE=(\S+)", dockerfile)
    assert state
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]
    for name in OURS:
        assert f"state:{state[1]}" in compose["services"][name]["volumes"]
    assert compose["services"]["api"]["environment"]["PARSIMONY_ARTEFACTS_URL"].startswith(state[1])


def test_secrets_are_not_written_into_the_file(compose: dict[str, Any]) -> None:
    password = compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert password.startswith("${POSTGRES_PASSWORD:?")


def test_the_image_runs_our_command_without_root(dockerfile: str) -> None:
    lines = [line.split(maxsplit=1) for line in dockerfile.splitlines() if line.strip()]
    last = {words[0]: words[1] for words in lines if len(words) == 2}
    assert last["ENTRYPOINT"] == '["parsimony"]'
    assert json.loads(last["CMD"])[0] in COMMANDS
    assert last["USER"] == "parsimony"
    assert dockerfile.index("USER parsimony") < dockerfile.index("ENTRYPOINT")
    assert re.search(r"^ARG BASE=nvidia/cuda:", dockerfile, re.M)
    assert set(re.findall(r"PARSIMONY_\w+", dockerfile)) <= SETTINGS


def test_what_the_image_copies_exists(dockerfile: str) -> None:
    for sources in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.M):
        *names, _ = sources.split()
        assert all((ROOT / name).exists() for name in names)
