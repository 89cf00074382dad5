"""A finished job of a thousand trials in the browser: how soon can one work with its page?

    python benchmarks/dashboard.py [--trials 1000] [--epochs 50] [--rounds 5]

Needs a Chromium (`apt-get install chromium`, or `PARSIMONY_CHROMIUM`). Each round opens the page in
a new window with an empty cache, and waits until verdict, leaderboard and curves are drawn and a
key press is answered: a tab of the leaderboard turns by it. The first round meets a service that
has shown nothing yet. Then what the page holds is read, after a collection.
"""

import argparse
import os
import shutil
import time
from dataclasses import astuple, dataclass
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
from _shared import listener, machine
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


@dataclass(frozen=True)
class Opening:
    """What it took to open the page once."""

    seconds: float
    """Until one can work with it."""
    page_seconds: float
    """Of a processor, that the page's process took until then."""
    heap: float
    """MB that its scripts hold."""
    private: float
    """MB of its process that no other shares, after a collection."""
    fetched: float
    """MB over the network."""


def opened(browser: Browser, address: str, job_id: str) -> Opening:
    """Open the page in a new window, and work with it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    devices = context.new_cdp_session(page)
    fetched = 0.0
    devices.send("Network.enable")

    def finished(event: dict[str, float]) -> None:
        nonlocal fetched
        fetched += event["encodedDataLength"] / 1e6

    devices.on("Network.loadingFinished", finished)
    before = renderers()
    begun = time.perf_counter()
    page.goto(f"{address}/#/jobs/{job_id}")
    tabs = page.get_by_role("tablist", name="Leaderboard").get_by_role("tab")
    page.locator(".chart canvas").nth(1).wait_for()
    tabs.first.press("ArrowRight")
    page.get_by_role("region", name="Trials, best first").wait_for()
    seconds = time.perf_counter() - begun
    its = max(renderers(), key=lambda process: spent(process) - before.get(process, 0.0))
    page_seconds = spent(its) - before.get(its, 0.0)
    page.wait_for_load_state("networkidle")
    devices.send("HeapProfiler.collectGarbage")
    heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    private = its.memory_full_info().uss / 1e6
    context.close()
    return Opening(seconds, page_seconds, heap, private, fetched)


def renderers() -> dict[psutil.Process, float]:
    """The browser's processes that show pages, with what they have taken of a processor."""
    found = psutil.Process().children(recursive=True)
    return {one: spent(one) for one in found if "--type=renderer" in one.cmdline()}


def spent(process: psutil.Process) -> float:
    """Seconds of a processor."""
    return sum(process.cpu_times()[:2])


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
        server = listener(urlsplit(address).port)
        begun = spent(server)
        first = opened(browser, address, job["id"])
        first_spent, begun = spent(server) - begun, spent(server)
        print(
            f"the first time after {first.seconds:.2f} s; of a processor the service took "
            f"{first_spent:.2f} s, the page {first.page_seconds:.2f} s"
        )
        rounds = [opened(browser, address, job["id"]) for _ in range(given.rounds)]
        each = (spent(server) - begun) / given.rounds
        browser.close()
    seconds, page_seconds, heap, private, fetched = np.median([astuple(r) for r in rounds], axis=0)
    listed = ", ".join(f"{one.seconds:.2f}" for one in rounds)
    print(f"one can work with it after {seconds:.2f} s (median of {listed})")
    print(f"of a processor the service took {each:.2f} s, the page {page_seconds:.2f} s")
    print(f"scripts hold {heap:.0f} MB, the page's process {private:.0f} MB of its own")
    print(f"fetched {fetched:.1f} MB; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
