"""What a rule looks at: one configuration of a job, and what is known of its data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from worker.data import Outline
from worker.networks import Layout, lay_out
from worker.regularization import DataFacts, Regularization
from worker.regularization.families import Stopping
from worker.spec import Activation, JobSpec, LinearSpec, NetworkSpec, Training, Variant

T = TypeVar("T")


@dataclass(frozen=True)
class JobFacts:
    """What is true of all configurations of a job together."""

    spec: JobSpec
    outline: Outline
    restrained: bool
    """Whether any of them has a technique that holds the network back, or a search tries some."""
    weighted: bool
    """Whether any of them weighs classes."""
    same_as: Mapping[int, int] = field(default_factory=dict)
    """Members of the comparison that are as an earlier one: their numbers → its."""


@dataclass(frozen=True)
class Context:
    """The job's own sections, or those of one member of its comparison."""

    job: JobFacts
    network: NetworkSpec
    regularization: Regularization
    training: Training
    replaced: frozenset[str] = frozenset()
    """The sections that the member of the comparison brings itself."""
    number: int = 0
    """Which member it is."""

    def path(self, field: str | None) -> str | None:
        """The full path of a field of this configuration: `compare.2.training.epochs`."""
        if field is None or field.partition(".")[0] not in self.replaced:
            return field
        return f"compare.{self.number}.{field}"

    def varies(self, path: str) -> bool:
        """Whether a search sets this field, or something above it, in each configuration anew."""
        search = self.job.spec.search
        space = search.space if search is not None and isinstance(search.space, dict) else {}
        return path in space or any(
            path[:end] in space for end, letter in enumerate(path) if letter == "."
        )

    @property
    def outline(self) -> Outline:
        """What is known of the data."""
        return self.job.outline

    @property
    def data(self) -> DataFacts:
        """What techniques may know of the data."""
        return self.outline.facts

    @property
    def layout(self) -> Layout:
        """Its network's parameters."""
        outline = self.outline
        return lay_out(
            self.network, outline.shape, outline.outputs, self.regularization, outline.number_inputs
        )

    @property
    def activation(self) -> Activation | None:
        """The nonlinearity of its network, if it has one."""
        return None if isinstance(self.network, LinearSpec) else self.network.activation

    @property
    def digits(self) -> bool:
        """Whether the classes are named as the ten digits are."""
        return set(self.outline.target.classes) == set("0123456789")


def _searches_regularization(spec: JobSpec) -> bool:
    """Whether a search varies any technique. One that is named holds no other field."""
    space = {} if spec.search is None else spec.search.space
    return isinstance(space, str) or any(path.startswith("regularization.") for path in space)


def _restrained(techniques: Regularization, *, validated: bool) -> bool:
    """Whether any technique holds the network back; stopping counts on validation rows alone."""
    return any(
        technique.restrains() and (validated or not isinstance(technique, Stopping))
        for _, technique in techniques.techniques()
    )


def contexts(spec: JobSpec, outline: Outline) -> Iterator[Context]:
    """Every configuration that the job trains."""
    variants = spec.compare or (Variant(name="job"),)
    every = [_or(variant.regularization, spec.regularization) for variant in variants]
    validated = all(outline.validation_rows)
    job = JobFacts(
        spec,
        outline,
        restrained=_searches_regularization(spec)
        or any(_restrained(techniques, validated=validated) for techniques in every),
        weighted=any(techniques.class_weights is not None for techniques in every),
        same_as=_same(spec, variants),
    )
    for number, variant in enumerate(variants):
        sections = {
            "network": variant.network,
            "regularization": variant.regularization,
            "training": variant.training,
        }
        yield Context(
            job,
            network=_or(variant.network, spec.network),
            regularization=every[number],
            training=_or(variant.training, spec.training),
            replaced=frozenset(name for name, section in sections.items() if section is not None),
            number=number,
        )


def _same(spec: JobSpec, variants: Sequence[Variant]) -> dict[int, int]:
    """The members that train the same as an earlier one does."""
    first: dict[tuple[str, ...], int] = {}
    found = {}
    for number, variant in enumerate(variants):
        sections = (
            _or(variant.network, spec.network),
            _or(variant.regularization, spec.regularization),
            _or(variant.training, spec.training),
        )
        key = tuple(section.model_dump_json() for section in sections)
        earlier = first.setdefault(key, number)
        if earlier != number:
            found[number] = earlier
    return found


def _or(section: T | None, default: T) -> T:
    return default if section is None else section
