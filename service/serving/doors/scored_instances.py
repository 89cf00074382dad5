"""What MLflow's scoring protocol says of the rows: one of four forms, as instances."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from service.errors import InvalidError, invalid
from service.validation import Finding
from worker.models import PLAIN, AnswerSettings
from worker.spec import MOST_SAMPLES
from worker.text import shortened

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
PARAMS = "params"
SETTINGS = ("mc_samples", "seed", "calibrated", "coverage", "members")
"""Members of `params` that say how rows are to be answered, as at `/v1`."""
Returned = Literal["predictions", "probabilities", "all"]
RETURNED: tuple[Returned, ...] = ("predictions", "probabilities", "all")
_IGNORED = frozenset({"signature_name"})
"""What clients of TensorFlow Serving send beside, and says nothing here."""


def instances_of(content: Any) -> Sequence[Any]:
    """The instances of a body: objects by column name, or arrays in column order.

    Raises:
        InvalidError: it has none of the forms, or several, or one that is not as it should be.
    """
    if not isinstance(content, dict):
        raise invalid([Finding(None, f"must be an object with one of {', '.join(FORMS)}")])
    given = [form for form in FORMS if form in content]
    unknown = [name for name in content if name not in (*FORMS, PARAMS, *_IGNORED)]
    if unknown:
        raise invalid(
            [
                Finding(
                    shortened(name),
                    f"is not a field here; give one of {', '.join(FORMS)}, and params if needed",
                )
                for name in unknown[:20]
            ]
        )
    if len(given) != 1:
        fact = f"has {' and '.join(given)}" if given else "has none of them"
        raise invalid([Finding(None, f"must have exactly one of {', '.join(FORMS)}; it {fact}")])
    (form,) = given
    value = content[form]
    rows = _split(value) if form == "dataframe_split" else _listed(form, value)
    if not rows:
        raise invalid([Finding(form, "has no rows; give at least one")])
    return rows


def asked_of(content: Any) -> tuple[Returned, AnswerSettings]:
    """What is to come back, and how rows are to be answered, by the member `params`. Where more
    than the plain answer is asked for, all of it comes back unless `return` says otherwise.

    Raises:
        InvalidError: it says something else.
    """
    params = content.get(PARAMS, {})
    if not isinstance(params, dict):
        raise invalid([Finding(PARAMS, 'must be an object such as {"return": "probabilities"}')])
    unknown = [name for name in params if name not in ("return", *SETTINGS)]
    if unknown:
        fact = f"is not known here; there are return, {', '.join(SETTINGS)}"
        raise invalid([Finding(f"{PARAMS}.{shortened(unknown[0])}", fact)])
    settings = _settings(params) if params.keys() & set(SETTINGS) else PLAIN
    returned = params.get("return", "predictions" if settings.plain else "all")
    for known in RETURNED:
        if returned == known:
            return known, settings
    raise invalid([Finding(f"{PARAMS}.return", f"must be one of {', '.join(RETURNED)}")])


def _settings(params: Mapping[str, object]) -> AnswerSettings:
    samples = params.get("mc_samples", 0)
    if type(samples) is not int or not 0 <= samples <= MOST_SAMPLES:
        raise _wrong("mc_samples", f"must be a whole number from 0 to {MOST_SAMPLES:,}")
    seed = params.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise _wrong("seed", "must be a whole number from 0")
    coverage = params.get("coverage")
    if coverage is not None and (
        not isinstance(coverage, float | int) or type(coverage) is bool or not 0 < coverage < 1
    ):
        raise _wrong("coverage", "must be a number between 0 and 1")
    return AnswerSettings(
        mc_samples=samples,
        seed=seed,
        calibrated=_truth(params, "calibrated"),
        coverage=None if coverage is None else float(coverage),
        members=_truth(params, "members"),
    )


def _truth(params: Mapping[str, object], name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise _wrong(name, "must be true or false")
    return value


def _wrong(name: str, fact: str) -> InvalidError:
    return invalid([Finding(f"{PARAMS}.{name}", fact)])


def _split(value: Any) -> list[Any]:
    """Columns and data, as a frame of pandas is split."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise invalid(
            [Finding("dataframe_split", 'must be an object {"columns": […], "data": [[…], …]}')]
        )
    data: list[Any] = value["data"]
    columns = value.get("columns")
    wrong = next((at for at, row in enumerate(data) if not isinstance(row, list)), None)
    if wrong is not None:
        raise invalid([Finding(f"dataframe_split.data.{wrong}", "must be an array of cells")])
    if "columns" not in value:
        return data
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise invalid([Finding("dataframe_split.columns", "must be a list of names")])
    if len(set(columns)) != len(columns):
        raise invalid([Finding("dataframe_split.columns", "names a column twice")])
    width = len(columns)
    wrong = next((at for at, row in enumerate(data) if len(row) != width), None)
    if wrong is not None:
        raise invalid(
            [
                Finding(
                    f"dataframe_split.data.{wrong}",
                    f"has {len(data[wrong])} cells for {width} columns",
                )
            ]
        )
    return [dict(zip(columns, row, strict=True)) for row in data]


def _listed(form: str, value: Any) -> list[Any]:
    if form == "inputs" and isinstance(value, dict):
        return _by_column(value)
    if not isinstance(value, list):
        what = "a list of rows" + (
            ", or an object with a list for each column" if form == "inputs" else ""
        )
        raise invalid([Finding(form, f"must be {what}")])
    if form == "dataframe_records":
        wrong = next((at for at, row in enumerate(value) if not isinstance(row, dict)), None)
        if wrong is not None:
            raise invalid([Finding(f"{form}.{wrong}", "must be an object by column name")])
    return value


def _by_column(columns: Mapping[str, object]) -> list[Any]:
    """Lists, one a column."""
    lists: list[list[Any]] = []
    for name, cells in columns.items():
        if not isinstance(cells, list):
            raise invalid([Finding(f"inputs.{shortened(name)}", "must be a list, one cell a row")])
        lists.append(cells)
    lengths = {len(cells) for cells in lists}
    if len(lengths) > 1:
        raise invalid([Finding("inputs", "has lists of different lengths; give one cell a row")])
    names = tuple(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
