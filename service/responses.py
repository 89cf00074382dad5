"""The problems that an operation may answer with, as its documentation lists them."""

from typing import Any

from service.errors import MEDIA_TYPE

REASONS = {
    400: "The body is not JSON.",
    404: "There is no such thing.",
    409: "Its state does not allow it.",
    413: "The body is too large.",
    415: "The body is of the wrong kind.",
    422: "A field, the data or the specification is not valid; `param` names the field.",
    500: "The service failed.",
    503: "A part of the service cannot be reached now; try again.",
}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Documents these problems, beside those that every operation may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": REASONS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in sorted({*statuses, 500, 503})
    }
