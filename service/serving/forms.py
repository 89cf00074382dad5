"""A form with one file, read as it comes: the file is passed on and not kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import UNREADABLE_FORM, MalformedError, invalid
from service.validation import NO_FILE, Finding
from worker.text import shortened

FILE = "file"
MOST_FIELDS = 64
LONGEST_FIELD = 64 * 1024
"""Bytes of a field that is no file."""


@dataclass
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    is_file: bool = False
    data: bytearray = field(default_factory=bytearray)


class FileForm:
    """Reads a body of multipart/form-data: fields, then the file."""

    def __init__(self, content_type: bytes) -> None:
        """Begin.

        Raises:
            MalformedError: the type names no boundary.
        """
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise MalformedError(UNREADABLE_FORM)
        self.fields: dict[str, str] = {}
        """Those before the file."""
        self.begun = False
        """Whether the file has begun, and its name and type are known."""
        self.filename = ""
        self.content_type = b""
        self._ended = False
        self._part = _Part()
        self._header = (b"", b"")
        self._pieces: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_end": self._on_end,
            },
        )

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What of the file these bytes of the body hold.

        Raises:
            MalformedError: the body is no form.
            InvalidError: a field stands behind the file, is too long, or is given twice.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise MalformedError(UNREADABLE_FORM) from error
        pieces, self._pieces = self._pieces, []
        yield from pieces

    def end(self) -> None:
        """Say that nothing follows.

        Raises:
            MalformedError: the form is not complete.
            InvalidError: it had no file.
        """
        if not self._ended:
            raise MalformedError(UNREADABLE_FORM)
        if not self.begun:
            raise invalid([Finding(FILE, NO_FILE)])

    def _on_part_begin(self) -> None:
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        self._part.headers[name.lower()] = value
        self._header = (b"", b"")

    def _on_headers_finished(self) -> None:
        headers = self._part.headers
        _, options = parse_options_header(headers.get(b"content-disposition", b""))
        name = self._part.name = options.get(b"name", b"").decode(errors="replace")
        self._part.is_file = b"filename" in options
        shown = shortened(name)
        if self.begun:
            message = "stands behind the file; give fields before it"
            raise invalid([Finding(shown, "is a second file" if self._part.is_file else message)])
        if self._part.is_file:
            if name != FILE:
                raise invalid([Finding(shown, "is not a field here; the file's is called file")])
            self.begun = True
            self.filename = options[b"filename"].decode(errors="replace")
            self.content_type = headers.get(b"content-type", b"")
        elif name == FILE:
            raise invalid([Finding(FILE, NO_FILE)])
        elif name in self.fields:
            raise invalid([Finding(shown, "is given twice; once is right")])
        elif len(self.fields) >= MOST_FIELDS:
            raise invalid([Finding(shown, f"is one of more than {MOST_FIELDS} fields")])

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            self._pieces.append(data[start:end])
            return
        self._part.data += data[start:end]
        if len(self._part.data) > LONGEST_FIELD:
            raise invalid([Finding(shortened(self._part.name), "is too long")])

    def _on_part_end(self) -> None:
        if not self._part.is_file:
            self.fields[self._part.name] = self._part.data.decode(errors="replace")

    def _on_end(self) -> None:
        self._ended = True
