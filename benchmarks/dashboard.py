"""A finished job of a thousand trials in the browser: how soon can one work with its page?

    python benchmarks/dashboard.py [--trials 1000] [--epochs 50] [--rounds 5]

Needs a Chromium (`apt-get install chromium`, or `PARSIMONY_CHROMIUM`). Each round opens the page in
a new window with an empty cache, and waits until verdict, leaderboard and curves are drawn and a
key press is answered: a tab of the leaderboard turns by it. Then what the page's scripts hold is
read, after a collection.
"""

import argparse
import os
import shutil
import time

import httpx
import numpy as np
from _shared import machine
from playwright.sync_api import Browser, sync_playwright

from service.installation import installation

NAMES = ("chromium", "chromium-browser", "google-chrome")


def spec(trials: int, epochs: int) -> dict[str, object]:
    """A search of λ and p."""
    return {
        "name": "many",
        "dataset": {"builtin": "circle", "rows": 1000},
        "training": {"epochs": epochs, "batch_size": 256},
        "search": {
            "method": "random",
            "trials": trials,
            "space": {
                "regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True},
                "regularization.dropout.p": {"low": 0.0, "high": 0.8},
            },
        },
    }


def opened(browser: Browser, address: str, job_id: str) -> tuple[float, float, float]:
    """Seconds until one can work with the page, MB that its scripts hold, MB that it fetched."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    devices = context.new_cdp_session(page)
    fetched = 0.0
    devices.send("Network.enable")

    def finished(event: dict[str, float]) -> None:
        nonlocal fetched
        fetched += event["encodedDataLength"] / 1e6

    devices.on("Network.loadingFinished", finished)
    begun = time.perf_counter()
    page.goto(f"{address}/#/jobs/{job_id}")
    tabs = page.get_by_role("tablist", name="Leaderboard").get_by_role("tab")
    page.locator(".chart canvas").nth(1).wait_for()
    tabs.first.press("ArrowRight")
    page.get_by_role("region", name="Trials, best first").wait_for()
    seconds = time.perf_counter() - begun
    page.wait_for_load_state("networkidle")
    devices.send("HeapProfiler.collectGarbage")
    held = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    context.close()
    return seconds, held, fetched


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    named = os.environ.get("PARSIMONY_CHROMIUM")
    path = named or next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        raise SystemExit("there is no Chromium: apt-get install chromium")
    print(machine(1))
    with installation({"PARSIMONY_LOG_LEVEL": "error"}) as address, sync_playwright() as playwright:
        job = httpx.post(f"{address}/v1/jobs", json=spec(given.trials, given.epochs)).json()
        while job["state"] in ("queued", "running"):
            wait = {"Prefer": "wait=60"}
            job = httpx.get(f"{address}/v1/jobs/{job['id']}", headers=wait, timeout=90).json()
        print(f"{job['trials']['finished']} trials × {given.epochs} epochs, {job['state']}")
        flags = ["--no-sandbox", "--enable-precise-memory-info"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        rounds = [opened(browser, address, job["id"]) for _ in range(given.rounds)]
        browser.close()
    seconds, held, fetched = np.median(rounds, axis=0)
    listed = ", ".join(f"{each[0]:.2f}" for each in rounds)
    print(f"one can work with it after {seconds:.2f} s (median of {listed})")
    print(f"scripts hold {held:.0f} MB; fetched {fetched:.1f} MB")


if __name__ == "__main__":
    main()
