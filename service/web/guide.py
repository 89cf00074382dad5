"""The guide at `/guide/`: pages that `make guide` has built from docs/, where it was."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from service.web.pages import AGAIN

GUIDE = Path(__file__).parent / "guide"

# The theme has a script of its own in each page, and searches in a worker. Nothing from elsewhere.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": AGAIN,
}
NO_PAGE = "The guide has no such page. Its pages are listed at /guide/.\n"
NOT_BUILT = (
    "The guide was not built here.\n\n"
    "In a clone, `make guide` builds it, and the next start of the service shows it at /guide.\n"
    "Its pages are Markdown in docs/; every operation, with examples, is at /docs.\n"
)


class GuidePages(StaticFiles):
    """The built pages."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A page, or a file that one loads."""
        answer = await super().get_response(path, scope)
        if answer.status_code == 404 and ("/" in path or scope["path"].endswith("/")):
            # The built page of that status finds its styles from the top only.
            return Response(NO_PAGE, 404, HEADERS, "text/plain; charset=utf-8")
        answer.headers.update(HEADERS)
        return answer


def add_guide(app: FastAPI, folder: Path = GUIDE) -> None:
    """Serve the guide, or say how it is built."""
    if (folder / "index.html").is_file():
        app.mount("/guide/", GuidePages(directory=folder, html=True), name="guide")

        @app.get("/guide", include_in_schema=False)
        async def guide() -> Response:
            # Relative, for services behind a path of a proxy.
            return RedirectResponse("guide/")
    else:

        @app.get("/guide", include_in_schema=False)
        @app.get("/guide/", include_in_schema=False)
        async def no_guide() -> Response:
            return Response(NOT_BUILT, 404, media_type="text/plain; charset=utf-8")
