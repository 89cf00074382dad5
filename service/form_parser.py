"""Forms whose files lie in the state folder while they come in.

Starlette keeps what is larger than a megabyte in the system's folder for temporary files, which is
memory in many a container. Here it is a file without a name in a folder of ours, so that a process
that is killed leaves nothing.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

from fastapi import HTTPException, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import MediaTypeError
from worker.text import shortened

FOLDER = "forms"
"""In the state folder."""
CHARSETS = (b"utf-8", b"utf8", b"us-ascii")
"""What texts of a form may be written in. Starlette takes any codec that Python has, of which
`punycode` takes the square of a text's length, on the event loop."""


class _Spool(SpooledTemporaryFile[bytes]):
    """A file of which nothing is lost when its last bytes cannot be written: nobody reads on."""

    def close(self) -> None:
        """Give it up."""
        with suppress(OSError):
            super().close()


class FormParser(MultiPartParser):
    """Reads a form.

    Args:
        headers: of the request.
        stream: its body.
        folder: where its files are while they come in, and are worked on.
        limits: those of Starlette's.
    """

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], folder: Path, **limits: Any
    ) -> None:
        super().__init__(headers, stream, **limits)
        self._folder = folder

    def on_headers_finished(self) -> None:
        """A part begins. The file that Starlette made for it is in memory yet: take another."""
        super().on_headers_finished()
        upload = self._current_part.file
        if upload is not None:
            upload.file.close()
            ours = _Spool(self.spool_max_size, dir=str(self._folder))
            self._files_to_close_on_error[-1] = ours
            upload.file = ours  # type: ignore[assignment]


def check_charset(content_type: str) -> None:
    """Refuse texts that are not in UTF-8; ``MediaTypeError``."""
    _, options = parse_options_header(content_type)
    charset = options.get(b"charset", CHARSETS[0])
    if charset.lower() not in CHARSETS:
        raise MediaTypeError(
            f"The form is in {shortened(charset.decode('latin-1'))}; send it in UTF-8. What "
            "a file is written in is said by the field encoding.",
            code="unsupported_charset",
        )


async def parsed_form(request: Request, **limits: Any) -> FormData:
    """The multipart form of a request.

    Raises ``HTTPException`` (400) where it is none, or has too many parts.
    """
    folder = request.app.state.services.settings.state / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        async with aclosing(request.stream()) as stream:
            return await FormParser(request.headers, stream, folder, **limits).parse()
    except MultiPartException as error:
        raise HTTPException(400, detail=error.message) from error
