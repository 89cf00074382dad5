"""What the request of a file says beside the file: its kind, how it is read, what is to come
back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal
from urllib.parse import parse_qsl

from service.body_limit import media_type
from service.errors import MediaTypeError, invalid
from service.reading_form import reading_of
from service.serving.encodings import CODINGS, chosen
from service.validation import Finding
from worker.data import Form
from worker.models import AnswerSettings
from worker.spec import MOST_SAMPLES, Reading
from worker.text import shortened

Wanted = Form | Literal["json"]
"""What comes back: a file, or the answer that a request of JSON has."""

KINDS: dict[str, Form] = {
    "text/csv": "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/jsonlines": "ndjson",
    "application/x-jsonlines": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
}
WRITTEN: dict[Wanted, str] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
}
_ENDINGS: dict[str, Form] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
READING = ("separator", "header", "encoding", "missing", "decimal", "thousands")
ANSWERING = ("calibrated", "coverage", "members", "mc_samples", "seed")
"""How rows are to be answered."""
SWITCHES = ("calibrated", "members", "score")
"""Fields that are true or false."""
FIELDS = (*READING, *ANSWERING, "score", "version")


@dataclass(frozen=True)
class FileRequest:
    """What the head of a request says."""

    kind: str
    """The type of its body, without parameters."""
    content_type: bytes
    coding: str
    """Of the body; empty where it is not compressed."""
    accept: str
    accept_encoding: str
    fields: Mapping[str, str]
    """The parameters of the URL."""

    @classmethod
    def of(cls, headers: list[tuple[bytes, bytes]], query: bytes) -> "FileRequest":
        """What a head says.

        Raises:
            InvalidError: a parameter is unknown, or given twice.
            MediaTypeError: the body is compressed in a way that is not read.
        """
        given = dict(reversed(headers))
        coding = given.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        coding = coding.removeprefix("x-")
        if coding not in ("", "identity", *CODINGS):
            raise MediaTypeError(
                f"The body is compressed as {shortened(coding)}; gzip and deflate are read. Send "
                "it so, or as it is without the header Content-Encoding.",
                code="unsupported_content_encoding",
            )
        content_type = given.get(b"content-type", b"")
        return cls(
            kind=media_type(content_type.decode("latin-1")),
            content_type=content_type,
            coding="" if coding == "identity" else coding,
            accept=given.get(b"accept", b"").decode("latin-1"),
            accept_encoding=given.get(b"accept-encoding", b"").decode("latin-1"),
            fields=_fields(parse_qsl(query.decode("latin-1"), keep_blank_values=True)),
        )

    def wanted(self, form: Form) -> Wanted:
        """What the client likes best; the file's own form unless it names another."""
        best: Wanted = form
        weight = 0.0
        for part in self.accept.split(","):
            kind, _, parameters = part.partition(";")
            kind = kind.strip().lower()
            named: Wanted | None = "json" if kind == "application/json" else KINDS.get(kind)
            quality = _quality(parameters)
            if kind in ("*/*", "text/*", "application/*"):
                named, quality = form, quality * 0.999  # Whoever names another likes it better.
            if named is not None and quality > weight:
                best, weight = named, quality
        return best

    @property
    def written_coding(self) -> str:
        """How the answer is to be compressed; empty where it is not."""
        return chosen(self.accept_encoding)


@dataclass(frozen=True)
class FileFields:
    """What the fields say, of the URL or of the form."""

    reading: Reading
    settings: AnswerSettings
    score: bool
    version: str | None

    @classmethod
    def of(cls, url: Mapping[str, str], form: Mapping[str, str], kind: Form) -> "FileFields":
        """What they say together.

        Raises:
            InvalidError: one is unknown, wrong, or in both.
        """
        unknown = [name for name in form if name not in FIELDS]
        wrong = [_unknown(name, "field") for name in unknown[:20]]
        wrong += [
            Finding(name, "stands in the URL and in the form; once is right")
            for name in form
            if name in url
        ]
        given = {**url, **form}
        if kind != "csv":
            wrong += [
                Finding(name, "says how a CSV is read, and the file is none; leave it out")
                for name in READING
                if name in given and not (name == "missing" and kind == "parquet")
            ]
        said = {name: given.get(name, "false").lower() for name in SWITCHES}
        wrong += [
            Finding(name, f"must be true or false, not {shortened(value)!r}")
            for name, value in said.items()
            if value not in ("true", "false")
        ]
        coverage = _share(given["coverage"]) if "coverage" in given else None
        if coverage is None and "coverage" in given:
            fact = f"must be a number between 0 and 1, not {shortened(given['coverage'])!r}"
            wrong.append(Finding("coverage", fact))
        samples = _whole(given.get("mc_samples", "0"), MOST_SAMPLES)
        seed = _whole(given.get("seed", "0"), 2**63 - 1)
        if samples is None:
            fact = f"must be a whole number from 0 to {MOST_SAMPLES:,}"
            wrong.append(Finding("mc_samples", fact))
        if seed is None:
            wrong.append(Finding("seed", "must be a whole number from 0 to 2⁶³ − 1"))
        if samples and said["score"] == "true":
            fact = "measures the plain answers; ask for it without mc_samples"
            wrong.append(Finding("score", fact))
        if wrong or samples is None or seed is None:
            raise invalid(wrong)
        switches = {name: value == "true" for name, value in said.items()}
        return cls(
            reading_of({name: given[name] for name in READING if name in given}),
            AnswerSettings(
                mc_samples=samples,
                seed=seed,
                calibrated=switches["calibrated"],
                coverage=coverage,
                members=switches["members"],
            ),
            switches["score"],
            given.get("version"),
        )


def _whole(text: str, most: int) -> int | None:
    """A whole number from 0 to another; none of another text."""
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
    return value if 0 <= value <= most else None


def _share(text: str) -> float | None:
    """A number between 0 and 1; none of another text."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 1 else None


def form_of(filename: str, content_type: bytes) -> Form:
    """The form of a file in a form: by the type of its part, else by the ending of its name.

    Raises:
        MediaTypeError: neither tells.
    """
    found = KINDS.get(media_type(content_type.decode("latin-1"))) or _ENDINGS.get(
        PurePath(filename).suffix.lower()
    )
    if found is None:
        raise MediaTypeError(
            f"The file {shortened(filename)!r} is of no kind that is read here, by its name and "
            "its type. Send CSV (.csv), lines of JSON (.jsonl, .ndjson) or Parquet (.parquet)."
        )
    return found


def _fields(items: list[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    wrong = []
    for name, value in items:
        if name not in FIELDS:
            wrong.append(_unknown(name, "parameter"))
        elif name in fields:
            wrong.append(Finding(name, "is given twice; once is right"))
        fields[name] = value
    if wrong:
        raise invalid(wrong[:20], max(0, len(wrong) - 20))
    return fields


def _unknown(name: str, what: str) -> Finding:
    known = ", ".join(FIELDS)
    return Finding(
        shortened(name), f"is not a {what} of a file's predictions; the {what}s are {known}"
    )


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
