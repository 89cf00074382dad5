"""Models, data sets and techniques in the dashboard, as their readers use them."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Look, window
from tests.waiting import until
from worker.regularization import techniques

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG = 60_000
"""Milliseconds for what a busy machine trains."""
ROWS = 120
CODES = ("01067", "04109", "10115")
CSV = "zip;visits;kind;bought\n" + "\n".join(
    f"{CODES[n % 3]};{n % 40};{'new' if n % 2 else 'old'};{'yes' if n % 40 > 18 else 'no'}"
    for n in range(ROWS)
)


@pytest.fixture(scope="module")
def shop(site: str) -> str:
    """A data set, and a model of two versions that was trained on it."""
    made = httpx.post(
        f"{site}/v1/datasets",
        files={"file": ("shop.csv", CSV)},
        data={"target": "bought"},
        timeout=60,
    ).json()
    job = {
        "dataset": made["id"],
        "model": "shop",
        "regularization": {"dropout": {"p": 0.2}},
        "training": {"epochs": 20, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    }
    for _ in range(2):
        ended = httpx.post(f"{site}/v1/jobs", json=job, headers={"Prefer": "wait=60"}, timeout=90)
        assert ended.json()["state"] == "succeeded", ended.text
    dataset: str = made["id"]
    return dataset


def settled(page: Page) -> None:
    expect(page.locator("h1")).to_be_visible(timeout=LONG)
    expect(page.locator(".loading")).to_have_count(0, timeout=LONG)


def test_a_prediction_is_tried_and_follows_what_is_changed(look: Look, shop: str) -> None:
    page = look.open("/models")
    page.get_by_role("link", name="shop").click()
    expect(page.locator(".verdict")).to_contain_text("Predicts bought: no or yes from 3 columns")
    expect(page.get_by_label("visits")).to_have_accessible_description("seen: 0 to 39")
    assert page.get_by_label("zip").locator("option").all_inner_texts() == ["(missing)", *CODES]

    page.get_by_role("button", name="A row of the data").click()
    page.get_by_role("button", name="Predict").click()
    answer = page.locator(".answer")
    expect(answer.locator(".said strong")).to_have_text("no")
    expect(answer).to_contain_text("Row 1 of the data has no: right.")
    page.get_by_label("visits").fill("37")
    expect(answer.locator(".said strong")).to_have_text("yes")
    page.get_by_label("visits").fill("90")
    expect(answer).to_contain_text("lies far outside the training rows, which had 0 to 39")

    page.get_by_text("How to answer").click()
    page.get_by_label("mc_samples").fill("20")
    expect(answer).to_contain_text("Entropy")
    page.get_by_label("mc_samples").fill("")
    page.get_by_label("coverage").fill("0.9")
    expect(answer).to_contain_text("in 90 % of all rows")


def test_the_snippets_are_run_as_they_stand(look: Look, shop: str, tmp_path: Path) -> None:
    page = look.open("/models/shop")
    settled(page)
    page.get_by_label("visits").fill("35")
    curl = page.get_by_role("region", name="curl snippet").inner_text()
    said = subprocess.run(["bash", "-c", curl], capture_output=True, check=True, timeout=60).stdout
    assert json.loads(said)["predictions"][0]["label"] == "yes"
    for tab, name in (("Python, httpx", "python"), ("tritonclient", "triton")):
        page.get_by_role("tab", name=tab).click()
        script = tmp_path / f"{name}.py"
        script.write_text(page.get_by_role("region", name=f"{name} snippet").inner_text())
        done = subprocess.run(
            [sys.executable, script], capture_output=True, check=True, text=True, timeout=60
        )
        assert "yes" in done.stdout


def test_an_alias_moves_and_a_file_is_downloaded(look: Look, site: str, shop: str) -> None:
    page = look.open("/models/shop?version=1")
    settled(page)
    page.get_by_role("button", name="Set to version 1").click()
    expect(page.get_by_role("button", name="Is version 1")).to_be_disabled(timeout=LONG)
    page.get_by_label("Version", exact=True).select_option("2")
    page.get_by_role("button", name="Move from 1 to 2").click()
    expect(page.get_by_role("button", name="Is version 2")).to_be_disabled(timeout=LONG)
    assert httpx.get(f"{site}/v1/models/shop").json()["aliases"] == {"production": 2}
    certificate = page.get_by_role("region", name="Certificate")
    expect(certificate).to_contain_text("Every layer is in eval mode")
    expect(certificate.locator("li")).to_have_count(7)
    with page.expect_download() as download:
        page.get_by_role("button", name="safetensors").click()
    assert download.value.suggested_filename == "shop-2.safetensors"


def test_an_alias_is_deleted(look: Look, site: str, shop: str) -> None:
    page = look.open("/models/shop?version=1")
    settled(page)
    page.get_by_label("Alias", exact=True).fill("champion")
    expect(page.get_by_role("button", name="Delete the alias")).to_have_count(0)
    page.get_by_role("button", name="Set to version 1").click()
    page.get_by_role("button", name="Delete the alias").click(timeout=LONG)
    expect(page.get_by_text("champion is deleted; version 1 stays.")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Set to version 1")).to_be_enabled(timeout=LONG)
    assert "champion" not in httpx.get(f"{site}/v1/models/shop").json()["aliases"]


def test_an_odd_column_is_uploaded_and_overruled(look: Look, site: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text(CSV)
    page = look.open("/data")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_label("Target").fill("bought")
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("heading", name="odd", exact=True)).to_be_visible(timeout=LONG)
    finding = page.locator(".advice li", has_text="leading zeros")
    expect(finding).to_contain_text('{"columns":{"zip":"numeric"}}')
    expect(page.get_by_role("img", name="Histogram of visits from 0 to 39")).to_be_visible()
    expect(page.get_by_role("region", name="Table of first rows")).to_contain_text("01067")

    # Its line is taken, and another kind chosen by hand: a dry run says what becomes of it.
    finding.get_by_role("button", name="Take it").click()
    expect(page.get_by_label("Kind of zip")).to_have_value("numeric")
    page.get_by_label("Kind of kind").select_option("ignore")
    said = page.get_by_role("region", name="Fields of a job")
    expect(said).to_contain_text('"zip": "numeric"')
    draft = page.get_by_role("region", name="Read otherwise")
    expect(draft).to_contain_text("It can be read so.", timeout=LONG)
    expect(draft).to_contain_text("without kind (ignored)")
    page.get_by_label("Target").select_option("visits")
    expect(draft).to_contain_text("visits is learnt as a number", timeout=LONG)
    page.get_by_label("Target").select_option("bought")
    expect(draft).to_contain_text("bought is learnt as one of two classes", timeout=LONG)

    # A job takes it over as it stands.
    columns = {"zip": "numeric", "kind": "ignore"}
    page.get_by_role("link", name="New job so").click()
    request = page.get_by_role("region", name="The request as curl")
    expect(request).to_contain_text('"kind": "ignore"', timeout=LONG)

    # The file is sent again, and read so.
    page.go_back()
    page.get_by_role("button", name="Upload again so").click()
    until(
        lambda: httpx.get(f"{site}/v1/datasets", timeout=60).json()["data"][0]["columns_count"] == 3
    )
    newest = httpx.get(f"{site}/v1/datasets").json()["data"][0]["id"]
    expect(page.locator(".mono", has_text=newest)).to_be_visible(timeout=LONG)
    assert httpx.get(f"{site}/v1/datasets/{newest}").json()["reading"]["columns"] == columns


def moved(page: Page, slider: Locator, key: str) -> str:
    """What the picture says once a key has been pressed."""
    caption = page.locator(".picture-of figcaption")
    before = caption.inner_text()
    slider.press(key)
    expect(caption).not_to_have_text(before)
    expect(page.locator(".picture-of svg")).to_have_attribute("aria-label", caption.inner_text())
    return caption.inner_text()


def test_a_slider_moves_the_picture_of_a_technique(look: Look) -> None:
    page = look.open("/techniques")
    page.get_by_label("Find").fill("lasso")
    page.get_by_role("link", name="l1: picture and settings").click()
    slider = page.get_by_role("slider")
    assert ": 0 of 600 weights, 0 %, are exactly zero" in moved(page, slider, "Home")
    moved(page, slider, "End")
    look.open("/techniques/dropout")
    drop = page.get_by_label("p, the probability of dropping")
    assert "0 of 16 hidden units are dropped" in moved(page, drop, "Home")
    look.open("/techniques/label_smoothing")
    assert "asks for 1 instead of 1" in moved(page, page.get_by_role("slider"), "Home")
    expect(page.get_by_role("region", name="Table of settings")).to_contain_text("0 ≤ x < 1")


def test_each_picture_of_a_technique_is_drawn_at_both_ends_of_its_sliders(look: Look) -> None:
    page = look.page
    without = page.get_by_text("There is no picture of it yet.")
    drawn = 0
    for name in techniques():
        look.open(f"/techniques/{name}")
        picture = page.locator(".picture-of")
        expect(picture.or_(without)).to_be_visible(timeout=LONG)
        drawn += picture.count()
        for slider in picture.get_by_role("slider").all():
            for key in ("Home", "End"):
                slider.press(key)
                svg = picture.locator("svg").inner_html()
                assert not {"NaN", "undefined", "Infinity"} & set(svg.replace('"', " ").split())
    assert drawn >= 36


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_they_are_accessible_and_fit(
    browser: Browser, site: str, shop: str, scheme: str, width: int
) -> None:
    context = window(browser, width=width, scheme=scheme)
    seen = Look(context.new_page(), site).hear()
    found: list[tuple[str, object]] = []
    for where in (
        "/models",
        "/models/shop",
        "/data",
        f"/data/{shop}",
        "/techniques",
        *(f"/techniques/{name}" for name in ("l1", "dropout", "batch_norm", "cutmix", "ema")),
    ):
        page = seen.open(where)
        settled(page)
        if where == "/models/shop":
            page.get_by_role("button", name="Predict").click()
            expect(page.locator(".said")).to_be_visible()
        if where == f"/data/{shop}":
            page.get_by_role("button", name="Take it").first.click()
            expect(page.get_by_text("It can be read so.")).to_be_visible(timeout=LONG)
        for violation in Axe().run(page).response["violations"]:
            nodes = [node["html"][:120] for node in violation["nodes"][:3]]
            found.append((where, (violation["impact"], violation["id"], nodes)))
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            found.append((where, f"{over} px too wide"))
    context.close()
    assert found == []
    assert seen.troubles == []
