"""A job and a data set in a notebook."""

from html.parser import HTMLParser
from typing import Any

from parsimony.client import Client, Job
from parsimony.handles import DatasetSnapshot
from tests.unit.client.test_sending import job

EVIL = '<script>alert("1")</script>'


class Tags(HTMLParser):
    """The tags of a text, and whether each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def finding(**more: object) -> dict[str, Any]:
    return {
        "severity": "warning",
        "code": "a",
        "field": None,
        "column": None,
        "message": EVIL,
        "fix": "Mend it.",
        "change": {"columns": {EVIL: "ignore"}},
        **more,
    }


def test_a_job_is_shown_and_what_users_wrote_is_escaped() -> None:
    best = {"trial": "trl_1", "name": EVIL, "value": 0.25, "metrics": {EVIL: 0.5, "none": None}}
    data: Any = job("running", name=EVIL, best=best, advice=[finding()], waiting_for=EVIL)
    text = Job(Client("http://there"), data)._repr_html_()
    assert "script" not in Tags(text).seen
    assert "&lt;script&gt;" in text
    assert "Mend it." in text
    assert "0.2500" in text
    assert "waits for" in text


def test_a_data_set_is_shown_with_its_findings() -> None:
    data: Any = {
        "id": "ds_1",
        "name": EVIL,
        "rows": 1234,
        "columns": [{"name": EVIL, "kind": "numeric"}],
        "findings": [finding(message=f"{number}{EVIL}") for number in range(12)],
    }
    text = DatasetSnapshot(data)._repr_html_()
    assert "script" not in Tags(text).seen
    assert "1,234 rows" in text
    assert "and 2 more" in text
