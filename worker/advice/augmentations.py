"""Rules about augmentations that change what a row is."""

from collections.abc import Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration

MOST_DEGREES = 20.0
"""A digit that is turned further may be read as another."""


def augmentation_changes_label(configuration: Configuration) -> Iterator[Advice]:
    """A mirrored 2 is no 2, and a 6 turned round is a 9."""
    techniques = configuration.regularization
    if not configuration.digits or len(configuration.outline.shape) != 3:
        return
    flip, rotation = techniques.flip, techniques.rotation
    if flip is not None and max(flip.horizontal, flip.vertical) > 0:
        yield Advice(
            severity="warning",
            code="augmentation_changes_label",
            field="regularization.flip",
            message="The classes are named 0 to 9: if the images are digits, a mirrored one is "
            "another digit or none, and keeps its label.",
            evidence={"horizontal": flip.horizontal, "vertical": flip.vertical},
            fix="Leave flip out; random_crop shifts a digit without changing it.",
        )
    if rotation is not None and rotation.degrees > MOST_DEGREES:
        yield Advice(
            severity="warning",
            code="augmentation_changes_label",
            field="regularization.rotation.degrees",
            message="The classes are named 0 to 9: if the images are digits, one turned by "
            f"{rotation.degrees:g} degrees may be another digit, and keeps its label.",
            evidence={"degrees": rotation.degrees, "most": MOST_DEGREES},
            fix=f"Set degrees to {MOST_DEGREES:g} or less; 15 is usual.",
        )
