"""The curl line that does what a command does, ready to be pasted into a POSIX shell."""

import json
import shlex
from pathlib import Path

from parsimony.answers import Json

KEY = '"Authorization: Bearer $PARSIMONY_API_KEY"'
"""The key stays in its variable: a line is pasted into tickets, and kept by shells."""


def _line(parts: list[str], *, with_key: bool) -> str:
    given = ["curl", "-sS", "--fail-with-body", *parts]
    return " ".join(given) + (f" -H {KEY}" if with_key else "")


def curl_of_a_job(url: str, spec: Json, *, with_key: bool) -> str:
    """``POST /v1/jobs``."""
    return _line(
        [
            shlex.quote(f"{url}/v1/jobs"),
            "-H 'Content-Type: application/json'",
            "-d",
            shlex.quote(json.dumps(spec, ensure_ascii=False)),
        ],
        with_key=with_key,
    )


def curl_of_an_upload(url: str, file: Path, form: dict[str, str], *, with_key: bool) -> str:
    """``POST /v1/datasets``."""
    fields = [f"-F {shlex.quote(f'file=@{file}')}"]
    fields += [f"--form-string {shlex.quote(f'{name}={text}')}" for name, text in form.items()]
    return _line([shlex.quote(f"{url}/v1/datasets"), *fields], with_key=with_key)


def curl_of_an_answer(url: str, path: str, *, with_key: bool) -> str:
    """A plain GET."""
    return _line([shlex.quote(f"{url}{path}")], with_key=with_key)


def curl_of_a_prediction(url: str, path: str, file: Path, *, with_key: bool) -> str:
    """A file of rows to a model."""
    parts = [shlex.quote(f"{url}{path}"), f"-F {shlex.quote(f'file=@{file}')}"]
    return _line(parts, with_key=with_key)
