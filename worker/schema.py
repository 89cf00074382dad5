"""The two bases of every typed object that crosses a room's border. Neither imports torch."""

from typing import Any

from pydantic import BaseModel, ConfigDict

Json = dict[str, Any]
"""A JSON object whose members depend on something else, such as the settings of a technique."""


class Settings(BaseModel):
    """One immutable block of a job's specification.

    Strict: ``"0.1"`` and ``true`` are not numbers. Closed: an unknown field is an error, not a
    silent default. Finite: no ``inf``, no ``nan``. What changes while training never lives here.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Record(BaseModel):
    """One immutable result: built where it is computed, stored as JSON, sent as it is.

    Closed like ``Settings``, but not strict, so that what was stored as JSON can be read back. The
    API's document names its schema by the class, or by ``title`` where ``model_config`` has one.
    Whoever reads one finds all its members, those with a default too.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class Stored(Record):
    """A record that rows of earlier releases hold: unknown members are skipped."""

    model_config = ConfigDict(extra="ignore")
