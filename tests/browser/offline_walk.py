"""All pages once, in a browser, on a machine that reaches nobody: python -m … CHROMIUM.

Run by test_offline.py where the network is away. Ends with an error at the first page that is not
whole: one that says too little, a picture that is missing, a request that failed or went elsewhere.
"""

import socket
import sys

import httpx
from playwright.sync_api import Page, Request, sync_playwright

from service.installation import installation
from service.web.guide import GUIDE

LONG = 90_000
OUTSIDE = ("192.0.2.1", 443)  # RFC 5737: of nobody


def alone() -> None:
    """Fail unless there is no way out."""
    with socket.socket() as probe:
        probe.settimeout(2)
        if probe.connect_ex(OUTSIDE) == 0:
            raise SystemExit("there is a network")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(OUTSIDE)
        except OSError:
            sys.stdout.write("nothing outside is reached\n")
            return
    raise SystemExit("there is a way to a network")


def failures(request: Request) -> list[str]:
    """What failed, unless the page gave the request up itself as it was left or shown anew."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.url}: {request.failure}"]


def whole(page: Page, address: str, mark: str) -> None:
    """Open a page and wait for what it is about."""
    page.goto(address)
    page.get_by_text(mark).locator("visible=true").first.wait_for(timeout=LONG)
    page.wait_for_load_state("networkidle", timeout=LONG)
    if broken := page.evaluate("[...document.images].filter(i => !i.naturalWidth).length"):
        raise SystemExit(f"{address}: {broken} pictures are missing")


def main() -> None:
    """Walk."""
    alone()
    spec = {"dataset": {"builtin": "circle"}, "training": {"epochs": 5}, "model": "circle"}
    with installation() as site, sync_playwright() as playwright:
        wait = {"Prefer": "wait=60"}
        job = httpx.post(f"{site}/v1/jobs", json=spec, headers=wait, timeout=90).json()
        browser = playwright.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("requestfailed", lambda request: troubles.extend(failures(request)))
        page.on("console", lambda said: said.type == "error" and troubles.append(said.text))
        page.on(
            "request",
            lambda r: r.url.startswith((site, "data:", "blob:")) or troubles.append(r.url),
        )
        pages = {
            "/#/jobs": "circle",
            f"/#/jobs/{job['id']}": "Leaderboard",
            "/#/new": "What it would cost",
            "/#/models": "circle",
            "/#/models/circle": "Try a prediction",
            "/#/data": "Data sets",
            "/#/techniques": "dropout",
            "/#/techniques/dropout": "inverted",
            "/docs": "Train",
            "/redoc": "Train",
        }
        if (GUIDE / "index.html").is_file():
            pages |= {"/guide/": "Parsimony", "/guide/tutorial.html": "Tutorial"}
        for path, mark in pages.items():
            whole(page, site + path, mark)
        browser.close()
    if troubles:
        raise SystemExit("\n".join(troubles))


if __name__ == "__main__":
    main()
