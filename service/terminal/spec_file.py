"""A job's specification as a file: JSON, or YAML as its version 1.2 reads it."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from parsimony.answers import Json
from parsimony.errors import ParsimonyError


class SpecLoader(yaml.SafeLoader):
    """YAML whose scalars are those of JSON.

    PyYAML reads version 1.1, in which ``1e-4`` is a text, ``no`` is false and ``12:30`` is 750. A
    strength of 1e-4 is what these files are about, so numbers, true, false and null are read as in
    1.2, and all else is text.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML copies it for each class)


SpecLoader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
SpecLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
SpecLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)
SpecLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
SpecLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _mapping(loader: SpecLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    """A mapping; a key that is given twice is an error, since one of them would be lost."""
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key.value!r} is given twice", key.start_mark
            )
        seen.add(key.value)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


SpecLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _members(pairs: list[tuple[str, Any]]) -> Json:
    """An object of JSON; a key that is given twice is an error here too."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParsimonyError(f"the key {twice!r} is given twice", code="bad_spec")
    return members


def read_spec(path: Path) -> Json:
    """A specification from a file, or from the input where its path is ``-``.

    Raises:
        ParsimonyError: it cannot be read, or is neither JSON nor YAML, or no object.
    """
    where = "the input" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ParsimonyError(f"{where} cannot be read: {error.strerror}", code="no_file") from error
    except UnicodeDecodeError as error:
        raise ParsimonyError(f"{where} is not text in UTF-8", code="bad_spec") from error
    try:
        if text.lstrip().startswith("{"):
            spec = json.loads(text, object_pairs_hook=_members)
        else:
            spec = yaml.load(text, SpecLoader)
    except json.JSONDecodeError as error:
        raise ParsimonyError(
            f"{where}, line {error.lineno}, column {error.colno}: {error.msg}", code="bad_spec"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        problem = getattr(error, "problem", None) or str(error)
        raise ParsimonyError(f"{where}{place}: {problem}", code="bad_spec") from error
    if not isinstance(spec, dict):
        raise ParsimonyError(
            f"{where} holds no object; a job is one, such as dataset: {{builtin: circle}}",
            code="bad_spec",
        )
    return spec
