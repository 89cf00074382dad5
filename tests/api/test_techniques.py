"""The catalogue over HTTP: what the techniques' classes say."""

import pytest
from jsonschema import Draft202012Validator

from tests.api.client import Client
from worker.regularization import techniques


def test_all_are_listed_in_the_order_of_the_vocabulary(client: Client) -> None:
    page = client.get("/v1/techniques").json()
    assert (page["object"], page["has_more"]) == ("list", False)
    assert [technique["name"] for technique in page["data"]] == list(techniques())


@pytest.mark.parametrize("name", list(techniques()))
def test_each_is_told_in_full(client: Client, name: str) -> None:
    technique = client.get(f"/v1/techniques/{name}").json()
    for part in ("title", "summary", "formula", "does", "when", "start", "badly_with", "cost",
                 "units", "shapes", "source"):  # fmt: skip
        assert technique[part], part
    settings = technique["settings"]
    Draft202012Validator.check_schema(settings)
    assert {f["name"] for f in technique["fields"]} == set(settings["properties"])


def test_fields_have_bounds_defaults_and_search_ranges(client: Client) -> None:
    fields = {f["name"]: f for f in client.get("/v1/techniques/l1").json()["fields"]}
    strength = fields["strength"]
    assert strength["required"]
    assert strength["minimum"] == 0
    assert strength["search"] == {"low": 1e-6, "high": 1e-2, "log": True}
    assert fields["method"]["choices"] == ["subgradient", "proximal"]
    assert fields["method"]["default"] == "subgradient"
    p = {f["name"]: f for f in client.get("/v1/techniques/dropout").json()["fields"]}["p"]
    assert (p["default"], p["exclusive_maximum"]) == (0.5, 1)


def test_a_family_is_listed_alone(client: Client) -> None:
    page = client.get("/v1/techniques", params={"family": "penalty"}).json()["data"]
    penalties = [name for name, technique in techniques().items() if technique.family == "penalty"]
    assert [technique["name"] for technique in page] == penalties
    assert "l1" in penalties
    answer = client.get("/v1/techniques", params={"family": "magic"})
    assert (answer.status_code, answer.json()["param"]) == (404, "family")


def test_an_unknown_name_is_answered_with_a_near_one(client: Client) -> None:
    answer = client.get("/v1/techniques/drop_out")
    assert (answer.status_code, answer.json()["param"]) == (404, "name")
    assert "did you mean dropout?" in answer.json()["detail"]
