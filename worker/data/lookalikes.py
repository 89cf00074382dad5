"""Lookalikes: text that is something else than a table, recognized by how it begins."""

import re

from worker.data.reading import unsupported

_JSON = "it is JSON. Save the records as CSV or Parquet"
_HTML = "it is a web page, not a table: perhaps an error, or a page to log in. Download the file"
_POINTER = (
    "it is a pointer to a file that is stored elsewhere (git-lfs, DVC or git-annex). Fetch the "
    "file itself, as with `git lfs pull`"
)
_LOOKALIKES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)<(?:!doctype html|html|head|body|title|script|meta|table|div)\b"), _HTML),
    (
        re.compile(
            r"<(?:\?xml|!DOCTYPE|!--|[A-Za-z_][\w.:-]*(?:\s+[\w.:-]+=\"[^\"]*\")*\s*/?>\s*<)"
        ),
        "it is XML. Save the records as CSV or Parquet",
    ),
    (re.compile(r"version https://git-lfs|oid sha256:[0-9a-f]"), _POINTER),
    (
        re.compile(r"(?:(?:md5|etag): \S+\s+)?outs:\s+-|(?:\.\./)*\.?git/annex/|/annex/objects/"),
        _POINTER,
    ),
    (re.compile(r"\{\s*(?:\"|\}|$)"), _JSON),
    (re.compile(r"\[\s*[{\[]"), _JSON),
    (re.compile(r"\{\s*'[^'\n]*'\s*:"), "it is Python's dictionaries. Save them as CSV or Parquet"),
    (re.compile(r"---[ \t]*\r?\n|- [\w ]+:(?: |\r?\n)"), "it is YAML. Save the records as CSV"),
    (
        re.compile(r"[-+]?[0-9.]+(?: qid:[0-9]+)?(?: [0-9]+:[-+0-9.eE]+)+ ?(?:#|\r?\n|$)"),
        "it is in the format of svmlight (libsvm). Save it as CSV, a column a feature",
    ),
    (
        re.compile(r"(?i)(?:insert\s+into|create\s+table|drop\s+table)\s+[\w.`\"\[(]"),
        "it is SQL. Export the table as CSV",
    ),
    (
        re.compile(r"\|[^\n]*\|[ \t]*\r?\n\|(?:\s*:?-+:?\s*\|)+[ \t]*(?:\r?\n|$)"),
        "it is a table in Markdown. Save it as CSV",
    ),
    (re.compile(r"(?i)@relation\s"), "it is ARFF. Save it as CSV, with a header line"),
    (re.compile(r"\{\\rtf"), "it is a document. Save the table as CSV in UTF-8"),
)
_JSON_ARRAY = re.compile(r"\[\s*(?:[-\d\"]|true|false|null)")


def check_is_table(data: bytes) -> None:
    """Refuse text that is something else than a table, where its beginning tells.

    Raises:
        DataError: with code `unsupported_format`.
    """
    head = data[:4096].decode(errors="ignore").lstrip()
    for pattern, reason in _LOOKALIKES:
        if pattern.match(head):
            raise unsupported(reason)
    if _JSON_ARRAY.match(head) and data[-64:].rstrip().endswith(b"]"):
        raise unsupported(_JSON)
