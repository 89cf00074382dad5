"""Authorize in /docs, as whoever was given a key uses it."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Look, window
from tests.integration.served import serving
from worker.caller import Permission
from worker.settings import ServiceSettings
from worker.storage import keys
from worker.storage.database import Database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG = 60_000
"""Milliseconds that a busy machine may take."""


def executed(page: Page, status: str) -> None:
    """Send the request of the open operation; its answer has this status."""
    page.get_by_role("button", name="Execute").click()
    shown = page.locator(".live-responses-table tbody .response-col_status").first
    expect(shown).to_contain_text(status, timeout=LONG)


def test_a_key_given_to_the_page_is_sent_until_it_is_taken_back(
    browser: Browser, tmp_path: Path
) -> None:
    with serving(ServiceSettings(state=tmp_path, keys="required")) as site:
        database = Database(f"sqlite:///{tmp_path}/parsimony.db")
        with database.write() as session:
            text = keys.make_key(session, tenant="acme", scopes=[Permission.READ]).text
        database.close()
        context = window(browser)
        look = Look(context.new_page(), site).hear()
        page = look.page
        page.goto(f"{site}/docs")
        page.locator("[id$='-list_jobs'] .opblock-summary-control").click(timeout=LONG)
        executed(page, "401")

        page.locator(".btn.authorize").first.click()
        dialog = page.locator(".dialog-ux")
        dialog.locator("input").fill(text)
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").click()
        executed(page, "200")
        asked = [one for one in look.requests if one.url.startswith(f"{site}/v1/jobs")]
        sent = [one.headers.get("authorization") for one in asked]
        assert sent == [None, f"Bearer {text}"]
        # The page keeps it for as long as it is open.
        kept = page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        assert text[-64:] not in kept

        page.locator(".btn.authorize").first.click()
        dialog.get_by_role("button", name="Remove authorization").click()
        dialog.get_by_role("button", name="Close").click()
        executed(page, "401")
        context.close()
        assert look.strangers == set()
        # What the browser says of the refused two is all that it says.
        assert len(look.troubles) == 2
        assert all("401" in trouble for trouble in look.troubles)
