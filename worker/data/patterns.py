"""Patterns on arrays of texts: by Arrow where there are many, by Python where there are few.

Arrow compiles a pattern each time that it is called, which takes longer than to match it a hundred
times, and every call of it costs as much as Python takes for dozens of short texts; tables of
thousands of short columns would pay for it thousands of times.
"""

import re
from collections.abc import Collection
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FEW = 256
"""Texts up to which Python is faster."""
_PLAIN = re.compile(r"([+-]?[0-9]+)(?:\.([0-9]*))?")
_LONGEST = 200
"""Characters of a text that Python looks at: it goes back and forth where Arrow does not."""


def matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    """Which of the texts hold what the pattern describes: [texts]."""
    if len(texts) > FEW:
        found = pc.match_substring_regex(texts, pattern)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
    search = _compiled(pattern).search
    return np.array(
        [len(text) <= _LONGEST and search(text) is not None for text in texts.to_pylist()],
        dtype=bool,
    )


def extract(texts: pa.Array, pattern: str) -> pa.StructArray:
    """The named parts of texts that match as a whole: null where one does not, empty where a part
    is not there. The pattern begins with ^ and ends with $.
    """
    if len(texts) > FEW:
        return pc.extract_regex(texts, pattern)
    compiled = _compiled(pattern)
    found = [
        compiled.fullmatch(text) if len(text) <= _LONGEST else None for text in texts.to_pylist()
    ]
    kind = pa.struct([pa.field(name, pa.string()) for name in compiled.groupindex])
    return pa.array([None if match is None else match.groupdict("") for match in found], kind)


def match_few(text: str, pattern: str) -> dict[str, str] | None:
    """The named parts of one text, as `extract` has them."""
    match = _compiled(pattern).fullmatch(text) if len(text) <= _LONGEST else None
    return None if match is None else match.groupdict("")


def among(texts: pa.Array, words: Collection[str], *, lower: bool = False) -> NDArray[np.bool_]:
    """Which of the texts are one of these words; `lower`: as words in lower case."""
    if len(texts) <= FEW:
        listed = texts.to_pylist()
        given = [text.lower() for text in listed] if lower else listed
        return np.array([text in words for text in given], dtype=bool)
    given = pc.utf8_lower(texts) if lower else texts
    held = pc.is_in(given, value_set=pa.array(sorted(words), pa.string()))
    return np.asarray(held.to_numpy(zero_copy_only=False), dtype=bool)


def stand_for_missing(texts: pa.Array, markers: Collection[str]) -> NDArray[np.bool_]:
    """Which of the trimmed texts are empty or one of the markers; one that is a number also where
    it is written with other zeros behind the decimal mark: -999.0 is -999.
    """
    words = {"", *(marker.strip() for marker in markers)}
    held = among(texts, words)
    for word in words:
        number = _PLAIN.fullmatch(word)
        if number is not None and len(word) <= _LONGEST:
            whole, fraction = re.escape(number[1]), (number[2] or "").rstrip("0")
            behind = f"[.,]{fraction}0*" if fraction else "(?:[.,]0*)?"
            held |= matches(texts, f"^{whole}{behind}$")
    return held


def numbers_among(markers: Collection[str]) -> list[float]:
    """The markers that are plain numbers."""
    return [float(word) for word in map(str.strip, markers) if _PLAIN.fullmatch(word)]


def taken(texts: pa.Array, places: NDArray[np.int64]) -> pa.Array:
    """The texts at different places, ascending."""
    if len(places) == len(texts):
        return texts
    if len(texts) <= FEW:
        listed = texts.to_pylist()
        return pa.array([listed[place] for place in places.tolist()], pa.string())
    return texts.take(pa.array(places))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
