"""The guide: served from this service alone where it was built, explained where it was not."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.web import add_guide


class Site:
    """An application that has the guide alone."""

    def __init__(self, folder: Path) -> None:
        self.app = FastAPI(redirect_slashes=False)
        add_guide(self.app, folder)

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.get(path)

        return asyncio.run(ask())


@pytest.fixture
def built(tmp_path: Path) -> Site:
    (tmp_path / "index.html").write_text("<!doctype html><title>Parsimony</title>")
    (tmp_path / "tutorial.html").write_text("<!doctype html><title>Tutorial</title>")
    return Site(tmp_path)


def test_its_pages_are_served_below_its_address(built: Site) -> None:
    assert "<title>Parsimony" in built.get("/guide/").text
    assert "<title>Tutorial" in built.get("/guide/tutorial.html").text


def test_the_redirect_holds_behind_a_path_of_a_proxy(built: Site) -> None:
    answer = built.get("/guide")
    assert (answer.status_code, answer.headers["location"]) == (307, "guide/")


def test_the_browser_is_told_to_ask_nobody_else(built: Site) -> None:
    policy = built.get("/guide/").headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert not re.search(r"http|\*", policy)


@pytest.mark.parametrize("path", ["/guide", "/guide/"])
def test_where_it_was_not_built_it_says_how(tmp_path: Path, path: str) -> None:
    answer = Site(tmp_path / "nothing").get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert "make guide" in answer.text


def test_a_page_that_is_not_there_is_said_in_words_where_the_built_one_has_no_styles(
    built: Site, tmp_path: Path
) -> None:
    (tmp_path / "404.html").write_text('<!doctype html><link rel="stylesheet" href="a.css">')
    assert "<link" in built.get("/guide/nothing").text
    answer = built.get("/guide/tutorial/")
    assert (answer.status_code, "<link" in answer.text) == (404, False)
    assert "/guide/" in answer.text
