"""The pages of the HTTP operations, one for each tag of the OpenAPI document."""

import json
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

from docs.readme_tables import cell
from service.app import create_app

METHODS = ("get", "post", "put", "patch", "delete")


@cache
def document() -> dict[str, Any]:
    """The service's OpenAPI document."""
    logging.disable()  # it tells what it does not do without a start
    try:
        return create_app().openapi()
    finally:
        logging.disable(logging.NOTSET)


def _page(tag: str) -> str:
    return f"generated/operations/{tag.lower().replace(' ', '-')}.md"


def menu() -> list[dict[str, str]]:
    """The menu's entries."""
    overview = [{"Overview": "generated/operations/index.md"}]
    return overview + [{tag["name"]: _page(tag["name"])} for tag in document()["tags"]]


def pages() -> dict[str, str]:
    """Path → text."""
    made = {"generated/operations/index.md": "\n".join(_overview())}
    for tag in document()["tags"]:
        lines = [f"# {tag['name']}", "", tag["description"], ""]
        for method, path, operation in _operations(tag["name"]):
            lines += _operation(method, path, operation)
        made[_page(tag["name"])] = "\n".join(lines)
    return made


def _operations(tag: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method in METHODS:
            if method in item and item[method]["tags"][0] == tag:
                yield method.upper(), path, item[method]


def _overview() -> Iterator[str]:
    yield "# HTTP operations"
    yield ""
    yield (
        "Written from the OpenAPI document of this very version, which the service gives at "
        "`/openapi.json`. At [`/docs`](/docs) each can be tried in the browser."
    )
    yield ""
    yield "| operation | |"
    yield "| --- | --- |"
    for tag in document()["tags"]:
        name = _page(tag["name"]).rsplit("/", 1)[1]
        for method, path, operation in _operations(tag["name"]):
            link = f"{name}#{operation['operationId']}"
            yield f"| [`{method} {path}`]({link}) | {cell(operation['summary'])} |"
    yield ""
    yield "## Refusals"
    yield ""
    yield (
        "The body is `application/problem+json` (RFC 9457): `title`, `detail` with the remedy, "
        "`code` for programs, `param` for the field."
    )
    yield ""
    yield "| status | |"
    yield "| --- | --- |"
    for status, said in sorted(_refusals().items()):
        yield f"| {status} | {cell(said)} |"


def _refusals() -> dict[str, str]:
    """The statuses of refusals, and what each means at the first operation that has it."""
    found: dict[str, str] = {}
    for tag in document()["tags"]:
        for _, _, operation in _operations(tag["name"]):
            for status, one in operation["responses"].items():
                if not status.startswith("2"):
                    found.setdefault(status, _resolved(one).get("description", ""))
    return found


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## {operation['summary']} {{ #{operation['operationId']} }}"
    yield ""
    yield f"`{method} {path}`"
    yield ""
    yield operation.get("description", "")
    yield ""
    parameters = [_resolved(one) for one in operation.get("parameters", ())]
    if parameters:
        yield "| parameter | in | |"
        yield "| --- | --- | --- |"
        for one in parameters:
            needed = "" if not one.get("required") or one["in"] == "path" else " (required)"
            yield f"| `{one['name']}` | {one['in']}{needed} | {cell(one.get('description', ''))} |"
        yield ""
    yield from _body(operation.get("requestBody", {}))
    answers = operation["responses"]
    for status, one in answers.items():
        if status.startswith("2"):
            said = cell(_resolved(one).get("description", ""))
            yield f"Answers {status}{'' if said == 'Successful Response' else f': {said}'}"
            yield ""
    refusals = ", ".join(status for status in answers if not status.startswith("2"))
    yield f"[Refused](index.md#refusals) by {refusals}."
    yield ""


def _body(body: dict[str, Any]) -> Iterator[str]:
    for kind, content in body.get("content", {}).items():
        yield f"Body: `{kind}`{'' if body.get('required') else ', may be left out'}."
        yield ""
        for example in content.get("examples", {}).values():
            value = _resolved(example).get("value")
            if kind != "application/json" or value is None:
                continue
            summary = example.get("summary", "An example").replace('"', "'")
            yield f'??? example "{summary}"'
            yield ""
            yield "    ```json"
            written = json.dumps(value, indent=2, ensure_ascii=False)
            yield from (f"    {line}" for line in written.splitlines())
            yield "    ```"
            yield ""


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the document, or what it refers to."""
    while "$ref" in part:
        at: Any = document()
        for name in part["$ref"].removeprefix("#/").split("/"):
            at = at[name]
        part = at
    return part
