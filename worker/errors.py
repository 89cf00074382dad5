"""The errors of the core, one tree::

    ParsimonyError
    ├── DataError            the data cannot be read, typed, split or encoded as asked
    ├── SpecError            a specification that is valid field by field, but not as a whole
    ├── ModelError           a model that cannot be loaded, or did not pass its certificate
    ├── NotFoundError        no such data set, job, model, version, alias or trial
    ├── ConflictError        the thing exists, but its state does not allow what was asked
    ├── QuotaError           the tenant has as much as it may
    └── UnavailableError     a part of the service that is needed cannot be reached now

Each carries a machine-readable ``code``, the field it is about, and a message with the remedy.
"""

from typing import Any

from worker.schema import Json


class ParsimonyError(Exception):
    """Base of all errors that a user may read."""

    code = "error"

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code
        self.extra = extra

    def body(self) -> Json:
        """The error as a JSON object: code, message, param, and what else is known."""
        return {"code": self.code, "message": self.message, "param": self.param, **self.extra}


class DataError(ParsimonyError):
    """The data cannot be read, typed, split or encoded as asked."""

    code = "invalid_data"


class SpecError(ParsimonyError):
    """A specification whose fields are valid one by one, but not together."""

    code = "invalid_spec"


class ModelError(ParsimonyError):
    """A model that cannot be loaded, or did not pass its certificate."""

    code = "invalid_model"


class NotFoundError(ParsimonyError):
    """No such thing."""

    code = "not_found"


class ConflictError(ParsimonyError):
    """The thing exists, but its state does not allow what was asked."""

    code = "conflict"


class QuotaError(ParsimonyError):
    """The tenant has as much as it may. ``seconds``: when to ask again, if waiting helps."""

    code = "tenant_limit"


class UnavailableError(ParsimonyError):
    """A part of the service that is needed cannot be reached now."""

    code = "unavailable"
