"""The base of everything that a job says: frozen, strict, closed, finite."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """One immutable block of a job's specification.

    Strict: ``"0.1"`` and ``true`` are not numbers. Closed: an unknown field is an error, not a
    silent default. Finite: no ``inf``, no ``nan``. What changes while training never lives here.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )
