"""The door: where the bodies of requests become Python objects, by one rule for all of them.

JSON in UTF-8, compressed by gzip or deflate or not at all. Nested at most `MOST_DEPTH` deep, and no
object with more than `MOST_KEYS` members. Whole numbers fit in 64 bits, numbers have at most
`LONGEST_NUMBER` characters. No text, be it a key or a value, holds U+0000, which PostgreSQL cannot
keep, or half of a surrogate pair, which UTF-8 cannot write. In a body of settings no object has a
member twice, of which one would be ignored. What passes can be stored, and sent back.

Large bodies are read in a thread. Python's lock is not free while one call of the JSON parser or of
pydantic works, but it is between these calls and at every number, so that `/livez` and the other
requests get their turn.
"""

import json
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette._utils import AwaitableOrContextManager
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service.body_limit import FORM_BYTES, JSON_BYTES
from service.errors import InvalidError, MalformedError, MediaTypeError, invalid
from service.form_parser import check_charset, parsed_form
from service.operations import Operation
from service.serving.encodings import decompressed
from service.threads import in_pool
from service.validation import Finding, findings, first_errors
from worker.text import shortened

MOST_DEPTH = 64
"""Arrays and objects within each other; a job needs 8, a batch of images 5."""
MOST_KEYS = 20_000
"""Members of one object; a table has at most 10,000 columns."""
LONGEST_NUMBER = 400
"""Characters of a number; 309 write the largest float64 without an exponent."""
MOST_REFUSED = 100
"""Numbers out of bounds that are kept until their paths are known; the first found is told."""
SMALLEST_WHOLE, LARGEST_WHOLE = -(2**63), 2**64 - 1
MOST_FILES, MOST_FIELDS = 2, 64
"""Parts of a form; of two files it is said that one is right."""
SMALL_BYTES = 16 * 1024
"""Up to here a body is read at once: a thread would take longer than the reading, 5 ms at most."""

SETTINGS_BYTES = 256 * 1024
"""Up to here a body may be settings, and its members are counted; a larger one is rows."""

_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
"""How JSON writes U+0000 and surrogates; without a match no text can hold one."""
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")

Path = tuple[str | int, ...]


class _Refused(int):
    """Stands where a number stood that is out of bounds, until its path is known."""

    reason = ""


class _Repeated(dict[str, object]):
    """Stands where an object has a member twice, until its path is known."""

    member = ""


class CheckedRoute(Operation):
    """A route whose JSON body passes the door before FastAPI sees it."""

    def unguarded(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the door."""
        handle = super().unguarded()
        if self.body_field is None:
            return handle
        model = _json_model(self.body_field.field_info.annotation)

        async def checked(request: Request) -> Response:
            coding = request.headers.get("content-encoding", "")
            if model is None or not _is_json(request):
                _check_encoding(coding)
                check_charset(request.headers.get("content-type", ""))
                request = _Form(request.scope, request.receive)
            else:
                body = await _body(request)
                if coding.strip().lower() not in ("", "identity"):
                    body = await in_pool("answers", decompressed, body, coding, JSON_BYTES)
                    request = _Read(request, None)
                # Of a body that is empty, or not called JSON, FastAPI says what is missing.
                if len(body) > SMALL_BYTES:
                    request = _Read(request, await in_pool("answers", read_body, body, model))
                elif body:
                    request = _Read(request, read_body(body, model))
            return await handle(request)

        return checked


def _json_model(annotation: Any) -> type[BaseModel] | None:
    """The model of a body of JSON; none of a form."""
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise MalformedError("The body ended before all of it had come.") from error


class _Form(Request):
    """A request with a form, of which no more parts are held than any operation knows."""

    def form(
        self,
        *,
        max_files: int | float = MOST_FILES,
        max_fields: int | float = MOST_FIELDS,
        max_part_size: int = FORM_BYTES,
    ) -> AwaitableOrContextManager[FormData]:
        """The form."""
        return super().form(max_files=max_files, max_fields=max_fields, max_part_size=max_part_size)

    async def _get_form(self, **limits: Any) -> FormData:
        is_multipart = (
            self.headers.get("content-type", "").lower().startswith("multipart/form-data")
        )
        if self._form is None and is_multipart:
            self._form = await parsed_form(self, **limits)
        return await super()._get_form(**limits)


class _Read(Request):
    """A request whose body has become an object."""

    def __init__(self, request: Request, content: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._body = b"read"
        self._content = content

    async def json(self) -> Any:
        """The object."""
        return self._content


def read_body(body: bytes, model: type[BaseModel]) -> BaseModel:
    """A body as its model.

    Raises:
        MalformedError: it is not JSON in UTF-8, or is nested too deep.
        InvalidError: a field is wrong.
    """
    content = parsed(body)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        errors, unread = first_errors(error)
        if any(wrong["type"] in ("int_type", "int_from_float") for wrong in errors):
            content = _with_whole_numbers(content)
            try:
                return model.model_validate(content)
            except ValidationError as remaining:
                error, (errors, unread) = remaining, first_errors(remaining)
        raise invalid(findings(errors, content, model), unread) from error


def _with_whole_numbers(content: Any) -> Any:
    """The content with 3.0 written as 3, which JSON Schema takes for an integer too.

    Where a field is no whole number, pydantic makes it 3.0 again.
    """
    if type(content) is dict:
        return {key: _with_whole_numbers(value) for key, value in content.items()}
    if type(content) is list:
        return [_with_whole_numbers(value) for value in content]
    if type(content) is float and content.is_integer() and abs(content) <= 2**53:
        return int(content)
    return content


def parsed(body: bytes) -> Any:
    """What a body of JSON says.

    Raises:
        MalformedError: it is not JSON in UTF-8, or is nested too deep.
        InvalidError: a number or a text is one that nothing here could keep.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"The body is not UTF-8: byte 0x{body[error.start]:02x} at position {error.start}. "
            "Send JSON in UTF-8.",
            code="not_utf8",
        ) from error
    refused: list[_Refused] = []
    rest = _Refused()
    rest.reason = "is a number out of bounds, as are many before it"

    def whole(digits: str) -> int:
        if len(digits) < 19:
            return int(digits)
        number = int(digits) if len(digits) <= 20 else LARGEST_WHOLE + 1
        if SMALLEST_WHOLE <= number <= LARGEST_WHOLE:
            return number
        return refuse(f"must be a whole number from -2^63 to 2^64 - 1, not {shortened(digits)}")

    def decimal(digits: str) -> float:
        if len(digits) <= LONGEST_NUMBER:
            return float(digits)
        return refuse(
            f"is a number of {len(digits):,} characters; write it with at most {LONGEST_NUMBER}"
        )

    def refuse(reason: str) -> _Refused:
        if len(refused) == MOST_REFUSED:
            return rest
        stand_in = _Refused()
        stand_in.reason = reason
        refused.append(stand_in)
        return stand_in

    repeated: list[_Repeated] = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        stand_in = _Repeated(found)
        names = [name for name, _ in pairs]
        stand_in.member = next(name for name in names if names.count(name) > 1)
        repeated.append(stand_in)
        return stand_in

    try:
        content = json.loads(
            text.removeprefix("\ufeff"),
            parse_int=whole,
            parse_float=decimal,
            object_pairs_hook=members if len(body) <= SETTINGS_BYTES else None,
        )
    except json.JSONDecodeError as error:
        raise MalformedError(
            f"The body is not JSON at character {error.pos}: {error.msg}."
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    _check_shape(content)
    if repeated:
        for path, value in _walk(content):
            if isinstance(value, _Repeated):
                reason = "stands here twice; leave one of them out"
                raise _unfit((*path, value.member), reason, "repeated_member")
    if refused:
        for path, value in _walk(content):
            if type(value) is _Refused:
                raise _unfit(path, value.reason, "invalid_number")
    if _SUSPICIOUS.search(text):
        _check_texts(content)
    return content


def _check_shape(content: Any) -> None:
    """Refuse what is too deep, or too wide; level by level, so that depth costs no stack."""
    level, depth = [content], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise _too_deep()
        below: list[Any] = []
        for value in level:
            if type(value) is dict:
                if len(value) > MOST_KEYS:
                    raise MalformedError(
                        f"An object of the body has {len(value):,} members; at most {MOST_KEYS:,} "
                        "are read.",
                        code="too_many_members",
                    )
                below.extend(inner for inner in value.values() if type(inner) in (dict, list))
            elif type(value) is list:
                below.extend(inner for inner in value if type(inner) in (dict, list))
        level = below


def _check_texts(content: Any) -> None:
    """Refuse a text that could not be kept or sent back."""
    for path, value in _walk(content):
        for text, what in ((value, "must not hold"), (path[-1] if path else "", "has a name with")):
            match = _UNWRITABLE.search(text) if isinstance(text, str) else None
            if match:
                character = f"U+{ord(match[0]):04X}"
                kind = "the character" if match[0] == "\0" else "half a character, the surrogate"
                raise _unfit(path, f"{what} {kind} {character}; leave it out", "invalid_text")


def _walk(content: Any) -> Iterator[tuple[Path, Any]]:
    """Each value of a body, with its path; in the order of the text, and none before its turn."""
    waiting: list[Iterator[tuple[Path, Any]]] = [iter([((), content)])]
    while waiting:
        for path, value in waiting[-1]:
            yield path, value
            if type(value) in (dict, list):
                waiting.append(_members(path, value))
                break
        else:
            waiting.pop()


def _members(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    named = value.items() if type(value) is dict else enumerate(value)
    return (((*path, name), inner) for name, inner in named)


def _too_deep() -> MalformedError:
    return MalformedError(
        f"The body is nested more than {MOST_DEPTH} deep; no field needs that.", code="too_deep"
    )


def _unfit(path: Path, reason: str, code: str) -> InvalidError:
    return invalid([Finding(".".join(map(str, path)) or None, reason, code)])


def _is_json(request: Request) -> bool:
    """Whether FastAPI would read the body as JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    main, _, sub = kind.partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def _check_encoding(coding: str) -> None:
    """Refuse a form that is compressed."""
    if coding.strip().lower() not in ("", "identity"):
        raise MediaTypeError(
            f"The body is compressed ({shortened(coding)}), and compressed forms are not read. "
            "Send it as it is, without the header Content-Encoding.",
            code="unsupported_content_encoding",
        )
