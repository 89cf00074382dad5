"""What holds for every operation alike: HEAD, headers of answers, no unknown parameters."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.body_limit import FORM
from service.errors import MOST_LISTED, PRIVATE, MalformedError, invalid
from service.validation import LONGEST_GUESSED, Finding
from worker.text import shortened

STATIC = "/static/"


class Conventions:
    """ASGI middleware: HEAD wherever GET is, and headers that every answer has.

    HEAD is answered as GET would be, without the content and with its length. The files below
    `/static/` know HEAD by themselves, and are not read for it.
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
                if "etag" not in headers:  # a file, which may be kept
                    headers.setdefault("Cache-Control", PRIVATE["Cache-Control"])
            elif without_content and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"} if without_content else scope, receive, answered)


async def only_known_parameters(request: Request) -> None:
    """Refuse what an operation does not know: it was meant to say something, and would be lost.

    Raises:
        MalformedError: the URL holds U+0000, which PostgreSQL cannot compare.
        InvalidError: a query parameter or a field of a form is unknown, or a field is given twice.
    """
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise MalformedError("The URL must not hold the character U+0000.")
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not route.include_in_schema:
        return
    wrong: list[Finding] = []
    unread = 0
    if request.scope["query_string"]:
        wrong, unread = _unknown(request.query_params.keys(), _parameters(route), "parameter")
    fields = _form_fields(route)
    if fields:
        given = Counter(name for name, _ in (await request.form()).multi_items())
        wrong += [
            Finding(name, f"is given {given[name]:,} times; once is right")
            for name in fields
            if given[name] > 1
        ]
        unknown, more = _unknown(given, fields, "field")
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


def _form_fields(route: APIRoute) -> tuple[str, ...]:
    """The names of the fields of an operation's form; none where it takes no form."""
    fields = route.dependant.body_params
    is_form = any(getattr(field.field_info, "media_type", "") == FORM for field in fields)
    return tuple(field.alias for field in fields) if is_form else ()


def _unknown(names: Iterable[str], known: Sequence[str], what: str) -> tuple[list[Finding], int]:
    """The first unknown names, and how many more there are."""
    unknown = [name for name in names if name not in known]
    listed = [
        Finding(shortened(name), f"is not a {what} here; {_remedy(name, known, what)}")
        for name in unknown[:MOST_LISTED]
    ]
    return listed, len(unknown) - len(listed)


def _remedy(name: str, known: Sequence[str], what: str) -> str:
    close = difflib.get_close_matches(name[:LONGEST_GUESSED], known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    if known:
        return f"the {what}s are {', '.join(known)}"
    return f"this operation has no {what}s"
