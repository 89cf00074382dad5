"""How columns become numbers. Fitted on the training rows only; kept in the model."""

from typing import Literal

from worker.schema import Settings


class Preprocessing(Settings):
    """Numeric columns are imputed by the training median and scaled; categorical ones one-hot."""

    numeric: Literal["standardize", "robust", "robust_smooth_clip", "none"] = "standardize"
    """`standardize`: (x − mean) / sd. `robust`: (x − median) / interquartile range.
    `robust_smooth_clip`: the same z, or with half the range of the column for an interquartile
    range of 0, then z / √(1 + (z/3)²), which lies between −3 and 3: that of RealMLP (Holzmüller,
    Grinsztajn & Steinwart 2024, arXiv:2407.04491), for tables alone. Images and
    series are brought to [0, 1] first, then treated so channel by channel."""
    target: Literal["standardize", "none"] = "standardize"
    """Regression only: train on the standardized target; predictions come in its own unit. With
    the loss `poisson` it is `none`."""
    drop_first: bool = False
    """Leave out the first category of each categorical column that the training rows hold: the
    others' weights are differences from it. As scikit-learn's `OneHotEncoder(drop="first")`; its
    input is 0 in all rows. A column with missing cells keeps all: what they differ from is them."""
    dummies: Literal["indicator", "standardize"] = "indicator"
    """What a category is: `indicator` 1 where it is the row's, else 0. `standardize`: that minus
    its mean over the training rows, divided by its standard deviation, as glmnet does it, so that a
    penalty weighs rare categories as it weighs others."""
