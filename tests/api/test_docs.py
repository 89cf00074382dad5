"""The pages for people, served without asking anybody else."""

import re

import pytest

from tests.api.client import Client

ASSET = re.compile(r'(?:src|href|spec-url)="([^"]+)"')


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_loads_only_what_this_service_serves(client: Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text.replace("<!doctype html>", "")
    assets = ASSET.findall(page.text)
    assert len(assets) >= 3
    for asset in assets:
        answer = client.get(f"/{asset}")
        assert answer.status_code == 200, asset
        assert answer.content, asset


def test_the_browser_is_told_to_ask_nobody_else(client: Client) -> None:
    policy = client.get("/docs").headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy


def test_the_scripts_of_ours_name_no_other_host(client: Client) -> None:
    script = client.get("/static/docs/swagger.js").text
    assert "http" not in script
    assert "validatorUrl: null" in script
    assert "cdn.redoc.ly" not in client.get("/static/redoc/redoc.standalone.js").text


def test_a_file_that_is_not_there_is_a_problem(client: Client) -> None:
    for path in ("/static/nothing.js", "/static/../app.py", "/static/%2e%2e/app.py"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
