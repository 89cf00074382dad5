"""The configurations of a job: those that it names, and those without one of their techniques."""

from dataclasses import dataclass, replace

from worker.errors import SpecError
from worker.regularization import Regularization
from worker.spec import JobSpec, NetworkSpec, Training, Variant, Without


@dataclass(frozen=True)
class Configuration:
    """What is trained: once for each repeat and fold."""

    name: str
    network: NetworkSpec
    regularization: Regularization
    training: Training
    without: Without | None = None


def configurations(spec: JobSpec) -> list[Configuration]:
    """All of them, in the order of their numbers: as posted, then, if asked, leaving out.

    Raises:
        SpecError: techniques are to be left out, but no configuration has one.
    """
    posted = [
        Configuration(
            name=variant.name,
            network=variant.network or spec.network,
            regularization=spec.regularization
            if variant.regularization is None
            else variant.regularization,
            training=variant.training or spec.training,
        )
        for variant in spec.compare or (Variant(name=spec.name or "job"),)
    ]
    if not spec.attribute:
        return posted
    leaving_out = [
        replace(
            whole,
            name=f"{whole.name} without {technique}",
            regularization=whole.regularization.model_copy(update={technique: None}),
            without=Without(technique=technique, configuration=number),
        )
        for number, whole in enumerate(posted)
        for technique, _ in whole.regularization.techniques()
    ]
    if not leaving_out:
        raise SpecError(
            "No configuration has a technique that could be left out; name some under "
            "regularization, or set attribute to false.",
            param="attribute",
        )
    return posted + leaving_out
