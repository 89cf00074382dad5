"""How columns become numbers. Fitted on the training rows only; kept in the model."""

from typing import Literal

from worker.schema import Settings


class Preprocessing(Settings):
    """Numeric columns are imputed by the training median and scaled; categorical ones one-hot."""

    numeric: Literal["standardize", "robust", "none"] = "standardize"
    """`standardize`: (x − mean) / sd. `robust`: (x − median) / interquartile range. Images and
    series are brought to [0, 1] first, then treated so channel by channel."""
    target: Literal["standardize", "none"] = "standardize"
    """Regression only: train on the standardized target; predictions come in its own unit."""
