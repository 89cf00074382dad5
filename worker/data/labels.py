"""Labels: texts of a categorical column that may mean the same, or that were garbled on their way.

Each text is a category as it is written; what is found here is told, and nothing is joined.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from unicodedata import category, normalize

from worker.data.drafts import LONGEST_EVIDENCE, Draft, bounded
from worker.data.table import Column
from worker.text import shortened

_LOOKED_AT = 10_000
"""Labels that are looked at for signs of damage."""
_ALIKE = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"))
_ALIKE |= str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4\u2032`", "'"))
_ALIKE |= str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u2033", '"'))
_END = ".,;:!"
_TRUE = "true yes y t 1 1.0 on wahr ja j si sí oui vrai sim tak да"
_FALSE = "false no n f 0 0.0 off falsch nein non faux não nie нет"
_TRUTH = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)
_TWICE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u02dc\u2013-\u2122\u20ac]")
"""What bytes of UTF-8 look like that were read as latin-1 or cp1252."""


def label_findings(column: Column) -> list[Draft]:
    """What is worth knowing of a column's labels."""
    if not column.categories:
        return []
    return [*_similar(column), *_truths(column), *_garbled(column)]


def _similar(column: Column) -> list[Draft]:
    """Labels that are one when case, blanks, a mark at their end and the like do not count."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in column.categories:
        groups[_plainly(label)].append(label)
    alike = [labels for labels in groups.values() if len(labels) > 1]
    return [_draft(column, alike, "case, blanks or marks only")] if alike else []


def _truths(column: Column) -> list[Draft]:
    """Yes and no in more than one way."""
    labels = column.categories
    if not 2 < len(labels) <= len(_TRUTH) or all(label[0].isdigit() for label in labels):
        return []
    groups: dict[bool, list[str]] = {True: [], False: []}
    for label in labels:
        truth = _TRUTH.get(label.casefold())
        if truth is None:
            return []
        groups[truth].append(label)
    plain = {label.casefold() for label in labels}
    if len(plain) < 3 or not all(groups.values()):
        return []  # Told already, by case.
    return [
        _draft(
            column, [group for group in groups.values() if len(group) > 1], "how yes or no is said"
        )
    ]


def _draft(column: Column, alike: Sequence[list[str]], how: str) -> Draft:
    shown = [bounded(map(_told_apart, labels), 4) for labels in alike[:5]]
    return Draft(
        "similar_labels",
        f"Column {column.name!r} holds texts that differ in {how}: "
        f"{'; '.join(', '.join(map(repr, labels)) for labels in shown)}"
        f"{'; …' if len(alike) > 5 else ''}. Each is a category of its own.",
        "Write the texts alike, if they mean the same, and upload the data again.",
        column=column.name,
        evidence={"groups": shown if len(str(shown)) < LONGEST_EVIDENCE else shown[:1]}
        | {"count": len(alike)},
    )


def _told_apart(label: str) -> str:
    """The label, with accents that stand apart from their letters spelled out by their numbers."""
    if label.isascii() or normalize("NFC", label) == label:
        return label
    return "".join(f"\\u{ord(c):04x}" if category(c) == "Mn" else c for c in label)


def _plainly(label: str) -> str:
    """A label without case, blanks, signs that are not seen, marks at its end, and other ways to
    write a letter.
    """
    if not label.isascii():
        label = normalize("NFKC", label.translate(_ALIKE))
        label = "".join(c for c in label if category(c) != "Cf")
        label = normalize("NFKC", label.casefold())
    plain = "".join(label.casefold().split())
    return plain.rstrip(_END) or plain


def _garbled(column: Column) -> list[Draft]:
    """Labels that lost letters, or were decoded in a wrong encoding, before they came here."""
    foreign = [label for label in column.categories[:_LOOKED_AT] if not label.isascii()]
    lost = next((label for label in foreign if "\ufffd" in label), None)
    twice = next((label for label in foreign if _repaired(label) is not None), None)
    if lost is None and twice is None:
        return []
    if lost is not None:
        shown = shortened(lost)
        fact = f"{shown!r}, in which \ufffd stands for a letter that was lost when it was decoded"
    else:
        meant = _repaired(twice or "")
        shown = shortened(twice or "")
        fact = f"{shown!r}, which looks like {shortened(meant or '')!r} decoded in a wrong encoding"
    return [
        Draft(
            "garbled_text",
            f"Column {column.name!r} holds texts that were garbled before the upload, such as "
            f"{fact}.",
            "Export the data again, in UTF-8; a model knows its categories as they are written.",
            column=column.name,
            evidence={"cell": shown},
        )
    ]


def _repaired(label: str) -> str | None:
    """What a text was that was encoded as UTF-8 and decoded otherwise; none if it was not."""
    if not _TWICE.search(label):
        return None
    for encoding in ("cp1252", "latin-1"):
        try:
            return label.encode(encoding).decode()
        except UnicodeError:
            continue
    return None
