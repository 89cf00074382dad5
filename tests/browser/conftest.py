"""A browser that is on the system already, and a whole service to look at.

Without a Chromium these tests are skipped, and say so: `apt-get install chromium` brings one, and
`PARSIMONY_CHROMIUM` names another one.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from service.installation import installation

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""No host but this one has an address."""


def chromium() -> str | None:
    """Where it is."""
    named = os.environ.get("PARSIMONY_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Address of a service of its own: these tests look at the list of all jobs."""
    with installation() as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests."""
    path = chromium()
    if path is None:
        pytest.skip(
            "THE PAGES ARE NOT TESTED: there is no Chromium here. apt-get install chromium, or "
            "name one in PARSIMONY_CHROMIUM."
        )
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", ALONE])
        yield found
        found.close()


@dataclass
class Look:
    """A page, and what went wrong on it."""

    page: Page
    site: str
    troubles: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def open(self, where: str) -> Page:
        """Go to a page of the dashboard."""
        self.page.goto(f"{self.site}/#{where}")
        return self.page

    def hear(self) -> "Look":
        """Note what the console says, and whom the page asks."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", self._asked)
        return self

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def _asked(self, request: Request) -> None:
        self.requests.append(request)

    @property
    def strangers(self) -> set[str]:
        """Addresses elsewhere that were asked for."""
        here = (self.site, "data:", "blob:")
        return {r.url for r in self.requests if not r.url.startswith(here)}


@pytest.fixture
def look(browser: Browser, site: str) -> Iterator[Look]:
    """A page as a reader has it, 1280 pixels wide; it must raise no error and ask nobody else."""
    context = window(browser)
    seen = Look(context.new_page(), site).hear()
    yield seen
    context.close()
    assert seen.troubles == []
    assert seen.strangers == set()


def window(browser: Browser, *, width: int = 1280, scheme: str = "light") -> BrowserContext:
    """A window of this width, for whoever likes it dark or light."""
    return browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        permissions=["clipboard-read", "clipboard-write"],
    )
