"""What holds for every operation alike: HEAD, headers of answers, no unknown parameters."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.body_limit import FORM
from service.errors import MOST_LISTED, PRIVATE, MalformedError, invalid
from service.validation import LONGEST_GUESSED, Finding
from worker.text import shortened

STATIC = ("/static/", "/web/")
"""Where the pages' own files are; `startswith` takes any of them."""
UNKNOWN_FIELD = "unknown_field"
_EMPTY = (
    "is empty; leave it out, or give it a value (curl -F ends a value at a semicolon: write the "
    "word semicolon, or use --form-string)"
)


class Conventions:
    """ASGI middleware: HEAD wherever GET is, and headers that every answer has.

    HEAD is answered as GET would be, without the content and with its length. The answer
    is over with its head: a server then says that the client has left, and what streams stops. A
    table would be computed for nothing, and events have no end. The pages' own files know HEAD by
    themselves, and are not read for it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        without_content = scope["method"] == "HEAD" and not scope["path"].startswith(STATIC)

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", PRIVATE["X-Content-Type-Options"])
                if "etag" not in headers or not scope["path"].startswith(STATIC):
                    # All but the pages' own files, which may be kept.
                    headers.setdefault("Cache-Control", PRIVATE["Cache-Control"])
            elif without_content and message["type"] == "http.response.body":
                return
            await send(message)
            if without_content and message["type"] == "http.response.start":
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        if not without_content:
            await self.app(scope, receive, answered)
            return
        inner = {**scope, "method": "GET"}
        await self.app(inner, receive, answered)
        scope["route"] = inner.get("route")


async def only_known_parameters(request: Request) -> None:
    """Refuse what an operation does not know: it was meant to say something, and would be lost.

    Raises:
        MalformedError: the URL holds U+0000, which PostgreSQL cannot compare.
        InvalidError: a query parameter or a field of a form is unknown or given twice, or a field
            is empty that may not be.
    """
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise MalformedError("The URL must not hold the character U+0000.")
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not route.include_in_schema:
        return
    wrong: list[Finding] = []
    unread = 0
    if request.scope["query_string"]:
        known = _parameters(route)
        given = Counter(name for name, _ in request.query_params.multi_items())
        wrong, unread = _unknown(given, known, "parameter")
        wrong += _repeated(given, known)
    fields = _form_fields(route)
    if fields:
        items = (await request.form()).multi_items()
        given = Counter(name for name, _ in items)
        wrong += _repeated(given, fields)
        wrong += [Finding(name, _EMPTY) for name, text in items if fields.get(name) and text == ""]
        unknown, more = _unknown(given, fields, "field", code=UNKNOWN_FIELD)
        wrong, unread = wrong + unknown, unread + more
    if wrong:
        raise invalid(wrong, unread)


def _parameters(route: APIRoute) -> tuple[str, ...]:
    """The names of an operation's query parameters."""

    def names(dependant: Dependant) -> Iterator[str]:
        yield from (field.alias for field in dependant.query_params)
        for inner in dependant.dependencies:
            yield from names(inner)

    return tuple(dict.fromkeys(names(route.dependant)))


def _form_fields(route: APIRoute) -> dict[str, bool]:
    """The fields of an operation's form, and whether each must hold something where it is given;
    none where it takes no form.
    """
    fields = route.dependant.body_params
    if not any(getattr(field.field_info, "media_type", "") == FORM for field in fields):
        return {}
    return {
        field.alias: any(getattr(rule, "min_length", 0) for rule in field.field_info.metadata)
        for field in fields
    }


def _repeated(given: Mapping[str, int], known: Iterable[str]) -> list[Finding]:
    """What is given more than once: one of the values would be lost."""
    return [
        Finding(name, f"is given {given[name]:,} times; once is right")
        for name in known
        if given.get(name, 0) > 1
    ]


def _unknown(
    names: Iterable[str], known: Collection[str], what: str, code: str = Finding.code
) -> tuple[list[Finding], int]:
    """The first unknown names, and how many more there are."""
    unknown = [name for name in names if name not in known]
    listed = [
        Finding(shortened(name), f"is not a {what} here; {_remedy(name, known, what)}", code)
        for name in unknown[:MOST_LISTED]
    ]
    return listed, len(unknown) - len(listed)


def _remedy(name: str, known: Collection[str], what: str) -> str:
    close = difflib.get_close_matches(name[:LONGEST_GUESSED], known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    if known:
        return f"the {what}s are {', '.join(known)}"
    return f"this operation has no {what}s"
