"""Cutout."""

from dataclasses import replace
from typing import Annotated, Self, final

from pydantic import Field

from worker.regularization.batch import Batch, Classes
from worker.regularization.families.augmentation import Augmentation, Probability
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.regions import region
from worker.regularization.technique import search_range


@final
class Cutout(Augmentation):
    """Sets a random part of a row to 0: x' = (1 − M) ⊙ x.

    M is a box in an image, a stretch of a series, or a random set of features, of the given share
    of a sample; each row has its own. Nothing is scaled up. After standardization 0 is the mean;
    for a category it is "unknown". Acts on a row with probability p.

    When: the network leans on few features or on one spot of the image.
    Start: p = .5, share = .2.
    Badly with: `erasing` (the same by another form); `dropout` with an `input_p` above 0 (features
    are dropped twice).
    Cost: one mask and one pass over the batch; a third of the time of a small network.
    Units: p and share are shares; one-hot columns are features of their own.
    Shapes: x, M ``[K, B, …]``; p, share ``[K]``.
    Source: DeVries & Taylor 2017, arXiv:1708.04552; on features: Kadra et al. 2021,
    arXiv:2106.11189.
    """

    p: Probability = 0.5
    """Probability that a row is cut."""
    share: Annotated[float, Field(ge=0.0, le=1.0, json_schema_extra=search_range(0.0, 0.5))] = 0.2
    """How much of it is cut; a box that hangs over the border takes less."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """p and the share."""
        return {
            "p": stack.numbers(lambda settings: settings.p),
            "share": stack.numbers(lambda settings: settings.share),
        }

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """(1 − M) ⊙ x."""
        chosen = random.at("p").chosen(numbers["p"], batch.x.shape[1])
        share = chosen * numbers["share"][:, None]
        mask = region(batch.x.shape[2:], share, random.at("region"))
        return replace(batch, x=batch.x * (1 - mask))
