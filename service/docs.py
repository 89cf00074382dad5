"""The pages for people: Swagger UI and ReDoc, from files in this package."""

from pathlib import Path

import orjson
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse, Response

STATIC = Path(__file__).parent / "static"

# Swagger UI can be asked to load a document from a public server: the browser is told to ask
# nobody but us.
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}


def add_documentation(app: FastAPI) -> None:
    """Serve `/docs`, `/redoc`, what they load, and the document that they show."""
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/docs", include_in_schema=False)
    async def swagger() -> FileResponse:
        return FileResponse(STATIC / "docs" / "swagger.html", headers=HEADERS)

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> FileResponse:
        return FileResponse(STATIC / "docs" / "redoc.html", headers=HEADERS)

    @app.get("/openapi.json", include_in_schema=False)
    def document() -> Response:
        return Response(_written(app), media_type="application/json")


def _written(app: FastAPI) -> bytes:
    """The document as JSON. Making it takes a second, so it is made in a thread, and kept."""
    if not hasattr(app.state, "document"):
        app.state.document = orjson.dumps(app.openapi())
    written: bytes = app.state.document
    return written
