"""How a file is to be read: the fields of an upload's form, and what their texts mean."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Form
from pydantic import ValidationError

from service.bodies import parsed
from service.errors import InvalidError, MalformedError, invalid
from service.validation import Finding, findings, first_errors
from worker.spec import Reading
from worker.text import shortened

SEPARATORS = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "space": " ",
    "bar": "|",
    "pipe": "|",
    "colon": ":",
}
"""Words for characters that are hard to write in a shell."""
TRUTHS = {"true": True, "false": False}
COLUMNS = '{"zip": "categorical", "customer_id": "ignore"}'
MARKERS = '["NA", "-"]'

ColumnsField = Annotated[
    str | None,
    Form(
        min_length=1,
        description="Kinds of columns, as a JSON object: `numeric`, `categorical` (cells stay "
        "texts, as written), `date` or `ignore`. Columns that are not named are read by their "
        "cells.",
        examples=[COLUMNS],
    ),
]
DecimalField = Annotated[
    str | None,
    Form(min_length=1, description="The decimal mark of numbers, `.` or `,`.", examples=["."]),
]
ThousandsField = Annotated[
    str | None,
    Form(
        min_length=1,
        description="The mark between groups of three digits: `,` `.` `'` `_` or a space.",
        examples=[","],
    ),
]
MissingField = Annotated[
    str | None,
    Form(
        min_length=1,
        description="The texts that stand for a missing cell, as a JSON array; or one text.",
        examples=['["NA", "-", "unknown"]'],
    ),
]
SeparatorField = Annotated[
    str | None,
    Form(
        min_length=1,
        description="The character between the cells of a CSV, or its name: tab, comma, "
        "semicolon, space, bar.",
        examples=[","],
    ),
]
HeaderField = Annotated[
    str | None,
    Form(
        min_length=1,
        description="`true` or `false`: whether the first line of a CSV holds the columns' "
        "names. If not, they are column1, column2, and so on.",
        examples=["true"],
    ),
]
EncodingField = Annotated[
    str | None,
    Form(
        min_length=1,
        description="The encoding of a CSV's text, such as utf-8, latin-1 or utf-16.",
        examples=["utf-8"],
    ),
]


def reading_of(form: Mapping[str, str | None]) -> Reading:
    """The reading that these fields say; those that are None are left open.

    Raises:
        InvalidError: a field is wrong; `param` is its name.
    """
    settings: dict[str, object] = {}
    wrong: list[Finding] = []
    for name, text in form.items():
        if text is None:
            continue
        try:
            settings[name] = _VALUES.get(name, str)(text)
        except ValueError as error:
            wrong.append(Finding(name, str(error)))
        except (InvalidError, MalformedError) as error:
            wrong.append(Finding(name, f"cannot be read: {error.message}"))
    if wrong:
        raise invalid(wrong)
    try:
        return Reading.model_validate(settings)
    except ValidationError as error:
        errors, unread = first_errors(error)
        # What is said of none of the fields alone is said of decimal and thousands.
        found = [
            replace(finding, param=finding.param or "thousands")
            for finding in findings(errors, settings, Reading)
        ]
        raise invalid(found, unread) from error


def _columns(text: str) -> Any:
    return _json(text, dict, f"must be a JSON object such as {COLUMNS}")


def _missing(text: str) -> Any:
    """A JSON array of markers, or one marker as it stands."""
    if text.lstrip().startswith(("[", "{")):
        return _json(text, list, f"must be a JSON array of texts such as {MARKERS}, or one text")
    if "," in text.strip(","):
        markers = [marker.strip() for marker in text.split(",")]
        raise ValueError(
            f"is one text with a comma; write several markers as a JSON array: "
            f"{json.dumps(markers[:5], ensure_ascii=False)}"
        )
    return [text]


def _separator(text: str) -> str:
    return SEPARATORS.get(text.strip().lower(), text)


def _header(text: str) -> bool:
    truth = TRUTHS.get(text.strip().lower())
    if truth is None:
        raise ValueError(f"must be true or false, not {shortened(json.dumps(text))}")
    return truth


def _json(text: str, kind: type, expected: str) -> Any:
    try:
        content = parsed(text.encode("utf-8", "surrogatepass"))
    except MalformedError as error:
        raise ValueError(
            f"{expected}; this is not JSON: {error.message} With curl, send a text that holds a "
            "semicolon by --form-string."
        ) from error
    if not isinstance(content, kind):
        raise ValueError(f"{expected}, not {shortened(text)}")
    return content


_VALUES = {"columns": _columns, "missing": _missing, "separator": _separator, "header": _header}
