"""Forms whose files lie in the state folder while they come in.

Starlette keeps what is larger than a megabyte in the system's folder for temporary files, which is
memory in many a container. Here it is a file without a name in a folder of ours, so that a process
that is killed leaves nothing. It may be given a name, so that a file that is kept is not copied.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from io import BufferedRandom, FileIO
from pathlib import Path
from tempfile import mkstemp
from typing import Any, BinaryIO

from fastapi import HTTPException, Request
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import MediaTypeError
from worker.text import shortened

FOLDER = "forms"
"""In the state folder."""
CHARSETS = (b"utf-8", b"utf8", b"us-ascii")
"""What texts of a form may be written in. Starlette takes any codec that Python has, of which
`punycode` takes the square of a text's length, on the event loop."""
GATHERED = 2**20
"""Bytes that are written at once: a thread for each piece of the network's size costs as much as
what it does."""


class FormFile(UploadFile):
    """A file of a form, on the disk; its pieces are written some at a time."""

    def __init__(self, folder: Path, part: UploadFile) -> None:
        super().__init__(_unnamed(folder), size=0, filename=part.filename, headers=part.headers)
        self._waiting: list[bytes] = []
        self._held = 0

    async def write(self, data: bytes) -> None:
        """Take a piece up."""
        self.size = (self.size or 0) + len(data)
        self._waiting.append(data)
        self._held += len(data)
        if self._held >= GATHERED:
            await run_in_threadpool(self._write)

    async def seek(self, offset: int) -> None:
        """Go to a place, once all pieces are written."""
        if self._held >= GATHERED // 16:
            await run_in_threadpool(self._write)
        else:
            self._write()
        self.file.seek(offset)

    def _write(self) -> None:
        self.file.writelines(self._waiting)
        self.file.flush()
        self._waiting, self._held = [], 0


class _Unnamed(BufferedRandom):
    """A file of which nothing is lost when its last bytes cannot be written: nobody reads on."""

    def close(self) -> None:
        """Give it up."""
        with suppress(OSError):
            super().close()


def _unnamed(folder: Path) -> BinaryIO:
    """A new file without a name, which may be given one where the system knows of such files."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except (AttributeError, OSError):
        descriptor, name = mkstemp(dir=folder)
        Path(name).unlink()
    return _Unnamed(FileIO(descriptor, "r+"))


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
        part = self._current_part
        if part.file is not None:
            part.file.file.close()
            part.file = FormFile(self._folder, part.file)
            # Starlette's list is typed for the one class of files that it makes.
            self._files_to_close_on_error[-1] = part.file.file  # type: ignore[call-overload]


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
