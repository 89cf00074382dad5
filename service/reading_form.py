"""What the form of an upload says of its file, in texts, as the reading that it means."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
