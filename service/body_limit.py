"""No body larger than this service takes, and no upload that is not one."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import MediaTypeError, TooLargeError, domain_problem
from service.protocol_errors import for_protocol

JSON_BYTES = 32 * 1024 * 1024
FORM_BYTES = 1024 * 1024
"""What a multipart form may hold beside its file."""


FORM = "multipart/form-data"
NOT_AN_UPLOAD = MediaTypeError(
    f"Send the file as {FORM}, in the field file, as `curl -F file=@data.csv` does."
)


class BodyLimit:
    """ASGI middleware: answers 413 or 415 instead of reading on."""

    def __init__(self, app: ASGIApp, *, upload_path: str, upload_bytes: int) -> None:
        self.app = app
        self.upload_path = upload_path
        self.upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        uploads = scope["path"] == self.upload_path and scope["method"] == "POST"
        limit = self.upload_bytes + FORM_BYTES if uploads else JSON_BYTES
        shown = self.upload_bytes if uploads else JSON_BYTES
        headers = Headers(scope=scope)
        if uploads and media_type(headers.get("content-type", "")) != FORM:
            await domain_problem(NOT_AN_UPLOAD)(scope, receive, send)
            return
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            refusal = for_protocol(scope["path"], domain_problem(too_large(shown)))
            await refusal(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413, detail=too_large(shown).message)
            return message

        await self.app(scope, counted, send)


def media_type(content_type: str) -> str:
    """A content type without its parameters; empty where it is."""
    return content_type.partition(";")[0].strip().lower()


def too_large(limit: int) -> TooLargeError:
    """The body is larger than so many bytes."""
    return TooLargeError(
        f"The body is larger than {limit:,} bytes. Send less, or raise the setting "
        "PARSIMONY_MAX_UPLOAD_BYTES for uploads.",
        limit=limit,
    )
