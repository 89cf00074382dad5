"""Tidying: cells and names without what nobody sees, so that what looks alike is alike.

Decisions:

* Blanks around a text do not count, nor do byte-order marks, signs of no width and signs of
  direction there, as files bring them that were put together or copied from a page.
* Line breaks and tabs inside are one blank: a category and a column are named on one line.
* Inside a text nothing else is changed: a joiner of no width makes another emoji, and another word.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from worker.data.patterns import FEW, matches

_UNSEEN = "\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_BREAKS = "[ \u00a0]*[\t-\r\u0085\u2028\u2029][\t-\r \u0085\u00a0\u2028\u2029]*"
_ENDS = rf"^[\s{_UNSEEN}]+|[\s{_UNSEEN}]+$"
_ARROW_ENDS = _ENDS.replace(r"\s", r"\s\pZ\x{0085}\x{001c}-\x{001f}")
_SEEN = re.compile(rf"[\t-\r\u0085\u2028\u2029]|[{_UNSEEN}]")


def tidied(texts: pa.Array) -> pa.Array:
    """The texts, each as `tidy` has it."""
    if len(texts) <= FEW:
        listed = texts.to_pylist()
        if all(text.isalnum() for text in listed):
            return texts
        tidier = [tidy(text) for text in listed]
        return texts if tidier == listed else pa.array(tidier, pa.string())
    texts = pc.utf8_trim_whitespace(texts)
    if matches(texts, "[\t-\r\u0085\u2028\u2029]").any():
        texts = pc.replace_substring_regex(texts, _BREAKS, " ")
    if (
        not pc.all(pc.string_is_ascii(texts), min_count=0).as_py()
        and matches(texts, f"[{_UNSEEN}]").any()
    ):
        texts = pc.replace_substring_regex(texts, _ARROW_ENDS, "")
    return texts


def tidy(text: str) -> str:
    """The text without blanks and signs that are not seen around it, on one line."""
    text = text.strip()
    if text.isascii() and text.isprintable():
        return text
    if not _SEEN.search(text):
        return text
    return re.sub(_ENDS, "", re.sub(_BREAKS, " ", text))
