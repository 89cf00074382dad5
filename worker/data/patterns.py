"""Patterns on arrays of texts: by Arrow where there are many, by Python where there are few.

Arrow compiles a pattern each time that it is called, which takes longer than to match it a hundred
times; tables of thousands of narrow columns would pay for it thousands of times.
"""

import re
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FEW = 256
"""Texts up to which Python is faster."""
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


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
