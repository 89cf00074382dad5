"""Which rows train, which validate, which test."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from worker.regularization.settings import Settings

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class Split(Settings):
    """A division of the rows: by shares, or into folds for cross-validation.

    Classification splits are stratified: each part keeps the class shares of the whole.
    """

    validation: Share = 0.2
    """Share of the rows kept for validation; 0 for none. Unused with `folds`."""
    test: Share = 0.0
    """Share of the rows kept aside for the final measurement; 0 for none."""
    folds: Annotated[int, Field(ge=2, le=50)] | None = None
    """Cross-validation: each fold validates once, on a model trained on the others."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the shuffle."""
    stratify: bool = True
    """Keep the class shares in every part (classification only)."""

    @model_validator(mode="after")
    def leaves_rows_to_train(self) -> Self:
        """Refuse shares that leave nothing to train on."""
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must be below 1, so that rows are left to train on")
        return self
