"""The dashboard as its readers use it, in a real browser, with real jobs."""

import json
import re
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from service.examples import COMPARISON, PATH, SEARCH
from tests.browser.conftest import Look, window
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG = 60_000
"""Milliseconds for what a busy machine trains."""


@pytest.fixture(scope="module")
def jobs(site: str) -> dict[str, str]:
    """Jobs that have ended, by the kind of their pictures."""

    def trained(spec: dict[str, Any]) -> str:
        answer = httpx.post(f"{site}/v1/jobs", json=spec, headers={"Prefer": "wait=60"}, timeout=90)
        assert answer.json()["state"] == "succeeded", answer.text
        job_id: str = answer.json()["id"]
        return job_id

    compared = {**COMPARISON, "repeats": 2, "split": {"validation": 0.2, "test": 0.2}}
    training = {**COMPARISON["training"], "epochs": 10}
    small = {**SEARCH, "training": training, "search": {**SEARCH["search"], "trials": 16}}
    return {
        "compared": trained({**compared, "training": training, "attribute": True}),
        "search": trained(small),
        "path": trained(PATH),
    }


def addresses(jobs: dict[str, str]) -> list[str]:
    return [
        "/jobs",
        "/new",
        *(f"/jobs/{job_id}" for job_id in jobs.values()),
        f"/compare?jobs={','.join(jobs.values())}",
        "/models",
        "/models/circle",
        "/data",
        "/nothing",
    ]


def settled(page: Page) -> None:
    expect(page.locator("h1")).to_be_visible(timeout=LONG)
    expect(page.locator(".loading")).to_have_count(0, timeout=LONG)
    for pictures in page.get_by_role("region", name="Pictures", exact=True).all():
        pictures.scroll_into_view_if_needed()
        expect(pictures.locator("canvas").first).to_be_visible(timeout=LONG)


def test_the_owners_comparison_from_the_form_to_the_fix(look: Look) -> None:
    page = look.open("/jobs")
    page.get_by_role("link", name="New job").first.click()
    entries = page.locator(".entry > legend")
    expect(entries).to_have_count(4)
    expect(entries.nth(1)).to_contain_text("L1")

    # The request is told as one types, and what it would cost.
    page.get_by_label("Name", exact=True).first.fill("seen in a browser")
    page.get_by_label("Epochs", exact=True).fill("150")
    curl = page.get_by_role("region", name="The request as curl")
    expect(curl).to_contain_text('"name": "seen in a browser"')
    expect(curl).to_contain_text('"epochs": 150')
    expect(page.get_by_text("4 in 1 fleet")).to_be_visible(timeout=LONG)
    expect(page.locator(".beside .advice li").first).to_contain_text("Fix:")
    page.get_by_role("button", name="Submit", exact=True).click()

    # The curves move.
    expect(page.get_by_role("heading", name="seen in a browser")).to_be_visible()
    canvas = page.locator(".chart canvas").first
    expect(canvas).to_be_visible(timeout=LONG)
    first = canvas.evaluate("canvas => canvas.toDataURL()")
    until(lambda: canvas.evaluate("canvas => canvas.toDataURL()") != first)

    # The verdict in one sentence, when it has ended.
    expect(page.locator(".verdict")).to_contain_text("worse than none", timeout=LONG)
    expect(page.get_by_text("succeeded").first).to_be_visible()

    # The advice on L1 in plain words, and its fix copied.
    advice = page.locator(".advice li", has_text="compare.1.regularization.l1.strength").first
    (told,) = re.findall(r"to ([\d.e-]+\d)[:.]", advice.inner_text().split("Fix:")[1])
    advice.get_by_role("button", name="Copy the corrected spec").click()
    expect(advice.get_by_text("Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["compare"][1]["regularization"]["l1"]["strength"] == float(told)
    assert copied["compare"][0] == {"name": "none", "regularization": {}}

    # The winner goes into production.
    page.get_by_role("button", name="Promote v1").click()
    expect(page.get_by_role("status").filter(has_text="in production")).to_be_visible()
    model = httpx.get(f"{look.site}/v1/models/circle").json()
    assert model["aliases"]["production"] == 1

    # It answers.
    before = page.url
    page.get_by_role("link", name="circle v1").click()
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_text("The answer stands here")).to_have_count(0)
    page.go_back()

    # The corrected one is submitted, and both are compared.
    expect(advice).to_be_visible(timeout=LONG)
    advice.get_by_role("button", name="Submit it").click()
    page.wait_for_url(lambda url: url != before)
    expect(page.get_by_role("button", name="Delete")).to_be_visible(timeout=LONG)
    page.get_by_role("link", name="Jobs").click()
    boxes = page.get_by_role("checkbox", name="Compare seen in a browser")
    expect(boxes).to_have_count(2)
    for box in boxes.all():
        box.check()
    page.get_by_role("link", name="Compare 2").click()
    expect(page.locator("main table").first.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("img", name=re.compile("Validation loss"))).to_be_visible()


def test_each_kind_of_picture_is_drawn_and_the_path_moves(look: Look, jobs: dict[str, str]) -> None:
    page = look.open(f"/jobs/{jobs['compared']}")
    settled(page)
    pictures = page.get_by_role("tablist", name="Pictures")
    expect(pictures.get_by_role("tab", name="ROC")).to_be_visible(timeout=LONG)
    titles = pictures.get_by_role("tab").all_inner_texts()
    assert {"What each technique bought", "Confusion matrix", "Calibration", "ROC"} <= set(titles)
    for title in titles:
        pictures.get_by_role("tab", name=title).click()
        panel = page.get_by_role("tabpanel").filter(has=page.locator("canvas")).last
        expect(panel.locator("canvas").first).to_be_visible()
    page = look.open(f"/jobs/{jobs['search']}")
    expect(page.get_by_role("tab", name=re.compile("^Configurations"))).to_be_visible(timeout=LONG)
    # What a search found is asked for once one has scrolled to its pictures.
    assert not [r for r in look.requests if r.url.endswith(f"{jobs['search']}/report")]
    page.get_by_role("region", name="Pictures", exact=True).scroll_into_view_if_needed()
    expect(page.get_by_role("tab", name="Surface of the search")).to_be_visible(timeout=LONG)
    page = look.open(f"/jobs/{jobs['path']}")
    settled(page)
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible(timeout=LONG)
    facts = page.locator(".path .facts")
    before = facts.inner_text()
    slider.fill("3")
    expect(facts).not_to_have_text(before)
    expect(facts).to_contain_text("of 10")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Browser, site: str, jobs: dict[str, str], scheme: str
) -> None:
    context = window(browser, scheme=scheme)
    seen = Look(context.new_page(), site).hear()
    found = []
    for where in addresses(jobs):
        page = seen.open(where)
        settled(page)
        for finding in Axe().run(page).response["violations"]:
            if finding["impact"] in ("serious", "critical"):
                nodes = [node["html"][:120] for node in finding["nodes"][:3]]
                found.append((where, finding["id"], nodes))
    context.close()
    assert found == []


def test_nothing_is_cut_off_on_a_phone(browser: Browser, site: str, jobs: dict[str, str]) -> None:
    context = window(browser, width=380)
    seen = Look(context.new_page(), site).hear()
    wide = {}
    for where in addresses(jobs):
        page = seen.open(where)
        settled(page)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            wide[where] = over
    context.close()
    assert wide == {}
    assert seen.troubles == []


def test_it_is_used_by_keys_alone(look: Look, jobs: dict[str, str]) -> None:
    page = look.open(f"/jobs/{jobs['compared']}")
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    tabs = page.get_by_role("tablist", name="Leaderboard").get_by_role("tab")
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tabs.last).to_be_focused()
    expect(tabs.last).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("region", name="Trials, best first")).to_be_visible()
    page.get_by_role("button", name="Turn dark").press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_key_goes_with_every_request_and_leaves_with_the_tab(look: Look, site: str) -> None:
    asked: list[tuple[str, str | None]] = []

    def without_key(route: Route) -> None:
        """This service knows no such key, and would refuse it."""
        asked.append((route.request.url, route.request.headers.get("authorization")))
        headers = {k: v for k, v in route.request.headers.items() if k != "authorization"}
        route.continue_(headers=headers)

    look.page.route("**/v1/**", without_key)
    page = look.open("/jobs")
    page.get_by_role("button", name="Key").click()
    page.get_by_label("API key").fill("key_of_mine")
    page.get_by_role("button", name="Use it").click()
    spec = {"dataset": {"builtin": "circle"}, "training": {"epochs": 60}}
    job = httpx.post(f"{site}/v1/jobs", json=spec).json()
    asked.clear()
    page = look.open(f"/jobs/{job['id']}")
    expect(page.get_by_role("button", name="Delete")).to_be_visible(timeout=LONG)
    assert any("/events" in url for url, _ in asked)
    assert {key for _, key in asked} == {"Bearer key_of_mine"}
    assert page.evaluate("localStorage.getItem('parsimony.key')") is None
