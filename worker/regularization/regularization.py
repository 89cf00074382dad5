"""The vocabulary: every technique that a job may name, each at most once; and what reads it.

The fields of ``Regularization`` are the one list of techniques there is.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar, get_args

import torch
from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from worker.regularization.adversarial import Adversarial
from worker.regularization.alpha_dropout import AlphaDropout
from worker.regularization.batch_norm import BatchNorm
from worker.regularization.class_weights import ClassWeights
from worker.regularization.color_jitter import ColorJitter
from worker.regularization.confidence_penalty import ConfidencePenalty
from worker.regularization.cutmix import Cutmix
from worker.regularization.cutout import Cutout
from worker.regularization.drop_connect import DropConnect
from worker.regularization.dropout import Dropout
from worker.regularization.early_stopping import EarlyStopping
from worker.regularization.elastic_net import ElasticNet
from worker.regularization.ema import Ema
from worker.regularization.erasing import Erasing
from worker.regularization.flip import Flip
from worker.regularization.group_lasso import GroupLasso
from worker.regularization.image_noise import ImageNoise
from worker.regularization.jacobian import Jacobian
from worker.regularization.l1 import L1
from worker.regularization.l2 import L2
from worker.regularization.label_smoothing import LabelSmoothing
from worker.regularization.layer_norm import LayerNorm
from worker.regularization.lookahead import Lookahead
from worker.regularization.max_norm import MaxNorm
from worker.regularization.mixup import Mixup
from worker.regularization.noise import Noise
from worker.regularization.orthogonality import Orthogonality
from worker.regularization.per_trial import PerTrial
from worker.regularization.random_crop import RandomCrop
from worker.regularization.rotation import Rotation
from worker.regularization.shake_drop import ShakeDrop
from worker.regularization.shake_shake import ShakeShake
from worker.regularization.snapshot_ensemble import SnapshotEnsemble
from worker.regularization.spatial_dropout import SpatialDropout
from worker.regularization.stochastic_depth import StochasticDepth
from worker.regularization.swa import Swa
from worker.regularization.technique import DataFacts, NetworkFacts, Technique
from worker.regularization.weight_decay import WeightDecay
from worker.schema import Settings

F = TypeVar("F", bound=Technique)


class Regularization(Settings):
    """The techniques of one trial, keyed by name. One that is not named is off.

    A number alone sets a technique's main field, and `true` means all its defaults: `"l1": 1e-4` is
    `"l1": {"strength": 1e-4}`. What is stored and answered is the long form.
    """

    l1: L1 | None = None
    l2: L2 | None = None
    elastic_net: ElasticNet | None = None
    group_lasso: GroupLasso | None = None
    orthogonality: Orthogonality | None = None
    weight_decay: WeightDecay | None = None
    max_norm: MaxNorm | None = None
    dropout: Dropout | None = None
    spatial_dropout: SpatialDropout | None = None
    alpha_dropout: AlphaDropout | None = None
    drop_connect: DropConnect | None = None
    stochastic_depth: StochasticDepth | None = None
    shake_drop: ShakeDrop | None = None
    shake_shake: ShakeShake | None = None
    batch_norm: BatchNorm | None = None
    layer_norm: LayerNorm | None = None
    noise: Noise | None = None
    class_weights: ClassWeights | None = None
    label_smoothing: LabelSmoothing | None = None
    confidence_penalty: ConfidencePenalty | None = None
    jacobian: Jacobian | None = None
    random_crop: RandomCrop | None = None
    flip: Flip | None = None
    rotation: Rotation | None = None
    color_jitter: ColorJitter | None = None
    image_noise: ImageNoise | None = None
    erasing: Erasing | None = None
    cutout: Cutout | None = None
    mixup: Mixup | None = None
    cutmix: Cutmix | None = None
    adversarial: Adversarial | None = None
    lookahead: Lookahead | None = None
    ema: Ema | None = None
    swa: Swa | None = None
    snapshot_ensemble: SnapshotEnsemble | None = None
    early_stopping: EarlyStopping | None = None

    @model_validator(mode="before")
    @classmethod
    def short_forms(cls, data: Any) -> Any:
        """Write out what stands for an object: `"dropout": 0.5`, `"early_stopping": true`."""
        if not isinstance(data, dict):
            return data
        known = techniques()
        return {
            # Of all fields most are off, and a search tries hundreds of such objects.
            name: known[name].in_full(value) if value is not None and name in known else value
            for name, value in data.items()
        }

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Document the short forms, where a job is posted; answers have the long ones alone."""
        document = handler(schema)
        if handler.mode == "validation":
            properties = handler.resolve_ref_schema(document)["properties"]
            for name, technique in techniques().items():
                *long, off = properties[name]["anyOf"]
                properties[name]["anyOf"] = [*long, *_short_forms(technique), off]
                properties[name]["description"] = _description(technique)
        return document

    def techniques(self) -> Iterator[tuple[str, Technique]]:
        """The techniques that are on, by name, in the order of the vocabulary."""
        # As pydantic keeps them: a search asks this of hundreds of objects, of which most is off.
        for name, technique in self.__dict__.items():
            if technique is not None:
                yield name, technique


@cache
def techniques() -> dict[str, type[Technique]]:
    """Name → class, in the order of the vocabulary."""
    by_name: dict[str, type[Technique]] = {}
    for name, field in Regularization.model_fields.items():
        classes = [c for c in get_args(field.annotation) if c is not type(None)]
        by_name[name] = classes[0]
    return by_name


def fitting(names: Iterable[str], network: NetworkFacts, data: DataFacts) -> Iterator[str]:
    """Those of the techniques that are of use with a network and its data, as usually set."""
    classes = techniques()
    return (name for name in names if classes[name].usual().fits(network, data) is None)


def stacks(
    family: type[F], regularizations: Sequence[Regularization], device: torch.device | str = "cpu"
) -> dict[type[F], PerTrial[Any]]:
    """The techniques of a family that any trial has on, each stacked over all K trials."""
    by_technique: dict[type[F], PerTrial[Any]] = {}
    for name, technique in techniques().items():
        if issubclass(technique, family):
            settings = tuple(getattr(trial, name) for trial in regularizations)
            stack: PerTrial[Any] = PerTrial(settings, device)
            if stack:
                by_technique[technique] = stack
    return by_technique


def _short_forms(technique: type[Technique]) -> Iterator[JsonSchemaValue]:
    """JSON schemas of what stands for a technique's settings."""
    if (main := technique.main_field()) is not None:
        field = technique.model_json_schema()["properties"][main]
        number = next(
            option
            for option in (field, *field.get("anyOf", ()))
            if option.get("type") in ("number", "integer")
        )
        bounds = ("type", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
        yield {key: number[key] for key in bounds if key in number}
    if technique.has_defaults():
        yield {"type": "boolean"}


def _description(technique: type[Technique]) -> str:
    """The technique's summary, and what short forms mean."""
    summary = " ".join((technique.__doc__ or "").split("\n\n", 1)[0].split())
    main = technique.main_field()
    short = [f"a number alone is its `{main}`"] if main else []
    short += ["`true` means its defaults"] if technique.has_defaults() else []
    return f"{summary} In short, {' and '.join(short)}." if short else summary
