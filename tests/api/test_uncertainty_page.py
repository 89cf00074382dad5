"""docs/uncertainty.md shows what the service answers: its job is posted and its rows are asked."""

import json
import re
from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import train
from tests.source import ROOT


def near(shown: Any, found: Any) -> None:
    """What the page shows is found, its numbers to about two digits."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            near(value, found[name])
    elif isinstance(shown, list):
        assert len(shown) == len(found)
        for one, other in zip(shown, found, strict=True):
            near(one, other)
    elif isinstance(shown, float):
        assert found == pytest.approx(shown, abs=0.03)
    else:
        assert shown == found


def test_the_page_shows_what_is_answered(client: Client) -> None:
    page = (ROOT / "docs" / "uncertainty.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)
    job, report, *asked = map(json.loads, blocks)
    posted = client.post("/v1/jobs", json=job)
    assert posted.status_code == 202, posted.text
    assert train(client, posted.json()["id"])["state"] == "succeeded"
    found = client.get("/v1/jobs/latest/report").json()["appraisal"]["uncertainty"]
    near(report, found)
    assert len(asked) == 4
    for body, shown in zip(asked[::2], asked[1::2], strict=True):
        answer = client.post("/v1/models/circle/predict", json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()["predictions"]
        near(shown, found)
        assert [one.keys() for one in shown] == [one.keys() for one in found]
