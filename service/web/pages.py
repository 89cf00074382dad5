"""The dashboard's document at `/`, and its files below `/web/`."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse, Response
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
VENDORED = "vendor/"

# Neither scripts nor styles in the document, nothing from elsewhere, and in no frame: what a job is
# called can then be shown, whoever called it so.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
AGAIN = "no-cache"
"""Kept, and asked for again with its tag each time: modules of two releases must not be mixed."""
A_DAY = "public, max-age=86400"
"""For what comes from a package and changes with its version only."""


class PageFiles(StaticFiles):
    """Files of the dashboard, with how long a browser may keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or that it has not changed."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = A_DAY if path.startswith(VENDORED) else AGAIN
        return answer


def add_pages(app: FastAPI) -> None:
    """Serve `/` and what it loads."""
    app.mount("/web", PageFiles(directory=STATIC), name="web")

    @app.get("/", include_in_schema=False)
    async def dashboard() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers=HEADERS | {"Cache-Control": AGAIN})
