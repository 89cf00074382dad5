"""Over HTTP: which version answers when aliases move, versions appear, and some are not fit."""

from typing import Any

import pytest

from service.serving import registry
from service.serving.residents import Resident
from tests.api.client import Client
from tests.api.work import post, train
from worker.models import Certificate, TrainedModel, certify
from worker.results import Check
from worker.storage import models

ROW = [[5.1, 3.5, 1.4, 0.2]]
SPEC: dict[str, Any] = {"training": {"epochs": 1, "batch_size": 64}}


@pytest.fixture(scope="module", autouse=True)
def versions(client: Client) -> None:
    for _ in range(3):
        train(client, post(client, **SPEC, model="m"))


def version_of(client: Client, **query: Any) -> int:
    answer = client.post("/v1/models/m/predict", json={"instances": ROW}, params=query)
    assert answer.status_code == 200, answer.text
    version: int = answer.json()["version"]
    return version


def load(client: Client, name: str, version: str | None = None) -> None:
    async def work() -> None:
        await client.services.serving.load(name, version)

    client.portal.call(work)


def unload(client: Client, name: str) -> None:
    async def work() -> None:
        await client.services.serving.unload(name)

    client.portal.call(work)


def test_a_version_that_fails_is_passed_over_and_no_alias_leads_to_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_third(model: TrainedModel) -> Certificate:
        found = certify(model)
        if model is not seen[2]:
            return found
        check = Check(name="row_independent", passed=False, detail="rows depend on each other")
        return found.model_copy(update={"passed": False, "checks": (check,)})

    seen: list[TrainedModel] = []

    def noted(model: TrainedModel) -> Certificate:
        seen.append(model)
        return refuse_third(model) if len(seen) == 3 else certify(model)

    monkeypatch.setattr("service.serving.residents.certify", noted)
    assert [version_of(client, version=number) for number in ("1", "2")] == [1, 2]
    put = client.put("/v1/models/m/aliases/production", json={"version": 3})
    assert (put.status_code, put.json()["code"]) == (409, "not_certified")
    assert put.json()["param"] == "version"
    assert put.json()["checks"][0]["name"] == "row_independent"
    assert client.get("/v1/models/m").json()["aliases"] == {}
    assert version_of(client) == 2
    refused = client.post("/v1/models/m/predict", json={"instances": ROW}, params={"version": "3"})
    assert (refused.status_code, refused.json()["code"]) == (503, "not_certified")
    found = client.get("/v1/models/m/certificate", params={"version": "3"}).json()
    assert (found["version"], found["passed"]) == (3, False)
    assert client.get("/v1/models/m/certificate").json()["version"] == 2
    assert len(seen) == 3

    load(client, "m", "3")  # tried again, and fit this time
    assert version_of(client, version="3") == 3
    assert version_of(client) == 3
    client.put("/v1/models/m/aliases/production", json={"version": 3})
    assert version_of(client) == 3


def test_an_alias_moves_at_once(client: Client) -> None:
    for number in (1, 3, 2):
        put = client.put("/v1/models/m/aliases/production", json={"version": number})
        assert put.json()["aliases"]["production"] == number
        assert version_of(client) == version_of(client, version="production") == number


def test_a_damaged_file_stops_nobody(client: Client) -> None:
    job = train(client, post(client, **SPEC, model="m"))
    number = job["model"]["version"]
    with client.services.database.read() as session:
        path = client.services.artefacts.local_path(models.resolve(session, "m", number).path)
    assert path is not None
    path.chmod(0o640)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    before = version_of(client)
    put = client.put("/v1/models/m/aliases/production", json={"version": number})
    assert (put.status_code, put.json()["code"]) == (500, "artefact_damaged")
    assert version_of(client) == before
    path.write_bytes(whole)
    load(client, "m", str(number))
    put = client.put("/v1/models/m/aliases/production", json={"version": number})
    assert put.status_code == 200
    assert version_of(client) == number


def test_an_unloaded_model_says_how_it_is_loaded(client: Client) -> None:
    before = version_of(client)
    unload(client, "m")
    answer = client.post("/v1/models/m/predict", json={"instances": ROW})
    assert (answer.status_code, answer.json()["code"]) == (503, "model_unloaded")
    assert "POST /v2/repository/models/m/load" in answer.json()["detail"]
    assert client.get("/v1/models/m").status_code == 200
    load(client, "m")
    assert version_of(client) == before


def test_the_hot_path_asks_no_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version_of(client)

    def asked(*args: object) -> None:
        raise AssertionError("the database was asked")

    async def at_hand() -> int:
        resident = client.services.serving.at_hand("m")
        assert resident is not None
        return resident.version

    monkeypatch.setattr(client.services.database, "read", asked)
    monkeypatch.setattr(registry.Catalogue, "refresh", asked)
    assert version_of(client) == before == client.portal.call(at_hand)


@pytest.mark.slow
def test_a_model_weighs_itself_and_not_its_fleet(client: Client) -> None:
    """Its file holds eight trials, for no rows were held back; what is kept of it is one."""
    network = {"kind": "mlp", "hidden": [128, 128]}
    compare = [{"name": str(n), "training": {"seed": n}} for n in range(8)]
    spec = {**SPEC, "split": {"validation": 0}, "network": network, "compare": compare}
    train(client, post(client, **spec, model="large"))
    load(client, "large")

    async def resident() -> Resident:
        found = client.services.serving.at_hand("large")
        assert found is not None
        return found

    found = client.portal.call(resident)
    weight, model = found.bytes, found.model
    parameters = sum(tensor.numel() for tensor in model.network.parameters())
    for tensor in (model.probe_features, model.probe_scores):
        assert tensor.untyped_storage().nbytes() == 4 * tensor.numel()
    with client.services.database.read() as session:
        file = models.resolve(session, "large").bytes
    assert file > 8 * 4 * parameters
    assert 4 * parameters < weight < file / 2
