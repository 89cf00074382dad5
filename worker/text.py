"""Text from outside: which characters a name may have, and how any of them is shown.

A name ends up in logs, terminals and charts, so it holds nothing that moves a cursor, breaks a
line, or turns the text behind it around. Letters of all scripts, emoji, and spaces of any width
are welcome.
"""

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

INVALID_NAME = "invalid_name"
"""The code of every error about a name's characters."""

_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: newlines, ESC, CSI
    r"\u2028\u2029"  # line and paragraph separator
    r"\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates of direction
    r"\ud800-\udfff]"  # halves of characters, which no UTF-8 can write
)
LONGEST_SHOWN = 60


def control_character(text: str) -> str | None:
    """The first character that a name must not have, as `U+001B`; none in a good name."""
    match = _CONTROL.search(text)
    return f"U+{ord(match[0]):04X}" if match else None


def without_controls(text: str) -> str:
    """The text with each such character spelled out as in JSON: safe to write and to print."""
    if text.isprintable():  # Far cheaper, and so are nearly all.
        return text
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def shortened(text: str, longest: int = LONGEST_SHOWN) -> str:
    """The text, cut where it is longer, and safe to print."""
    return without_controls(text if len(text) <= longest else f"{text[: longest - 1]}…")


def _named(text: str) -> str:
    character = control_character(text)
    if character is not None:
        raise PydanticCustomError(
            INVALID_NAME,
            "must not hold the control character {character}; leave it out",
            {"character": character},
        )
    return text


Printable = Annotated[str, AfterValidator(_named)]
"""A name without control characters."""
