"""Bodies about models and their predictions."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, RootModel, StrictBool, model_validator

from service.schemas.common import Body
from service.schemas.jobs import WHEN
from service.schemas.learnt import ModelManifest
from worker.models import AnswerSettings
from worker.results import (
    FINAL,
    Check,
    Metrics,
    Prediction,
    PredictionWarning,
    Single,
    SparsityReport,
    Understood,
)
from worker.schema import Json
from worker.spec import MOST_SAMPLES


class ModelVersionView(Body):
    """One version of a model: the winner of one job."""

    object: Annotated[Literal["model.version"], Field(examples=["model.version"])] = "model.version"
    """Always `model.version`."""
    model: Annotated[str, Field(examples=["credit"])]
    """The model's name."""
    version: Annotated[int, Field(examples=[3])]
    """Its number, from 1."""
    job: Annotated[str, Field(examples=["job_5f0c9a3e1b7d2468ace0f135"])]
    """The job that trained it."""
    served: Annotated[Literal["trial", "ensemble"], Field(examples=["trial"])]
    """`trial`: the weights of one trial. `ensemble`: networks of several trials that answer as
    their mean; `manifest.ensemble` names them."""
    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial whose weights it has; of an ensemble, that of the job's winner."""
    metrics: Annotated[Metrics, Field(examples=[FINAL])]
    """The final metrics of its configuration, each the mean over its repeats and folds, as in the
    job's best; of a winner that was trained once more, those of the test rows are its own. Of an
    ensemble its own: those of validation rows flatter it as far as it was chosen on them."""
    deviations: Annotated[Metrics | None, Field(examples=[{"validation_loss": 0.004}])]
    """The standard deviation of each of them between these trials, n − 1 in the denominator; null
    for a single trial."""
    n: Annotated[int, Field(examples=[5])]
    """How many repeats and folds the means are over."""
    single: Single | None
    """The trial by itself; null in versions of earlier releases, whose metrics are that trial's."""
    understood: Understood | None
    """What it predicts, and as what its data were understood; null for jobs of earlier releases."""
    network: SparsityReport | None
    """What is left of its network: zeros, norms, dead units, unused columns, pruning curve."""
    manifest: ModelManifest
    """What rebuilds it: network, columns, preprocessing, target, split, versions of libraries."""
    bytes: Annotated[int, Field(examples=[88412])]
    """Size of the safetensors file that holds its weights, and those of the trials that trained
    together with it: `GET …/file?of=fleet`."""
    sha256: Annotated[
        str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    """SHA-256 of that file."""
    created_at: Annotated[datetime, Field(examples=[WHEN])]
    """When it was registered."""


class ModelBase(Body):
    """A name under which winners of jobs are registered."""

    id: Annotated[str, Field(examples=["mdl_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier."""
    object: Annotated[Literal["model"], Field(examples=["model"])] = "model"
    """Always `model`."""
    name: Annotated[str, Field(examples=["credit"])]
    """Its name."""
    latest: Annotated[int | None, Field(examples=[3])]
    """The newest version, which answers unless another is asked for."""
    created_at: Annotated[datetime, Field(examples=[WHEN])]
    """When its first version was registered."""


class ModelSummary(ModelBase):
    """A model in a list."""

    versions_count: Annotated[int, Field(examples=[3])]
    """How many versions it has."""
    aliases: Annotated[dict[str, int], Field(examples=[{"production": 3}])]
    """Names for versions: at most 10, `production` among them."""
    aliases_count: Annotated[int, Field(examples=[1])]
    """How many names there are."""


class ModelView(ModelBase):
    """A name under which winners of jobs are registered, with its versions."""

    versions: Annotated[list[int], Field(examples=[[1, 2, 3]])]
    """Its versions, oldest first."""
    aliases: Annotated[dict[str, int], Field(examples=[{"production": 3}])]
    """Names for versions."""


class AliasRequest(Body):
    """Which version an alias points at."""

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [{"version": 1}]})

    version: Annotated[int, Field(ge=1, lt=2**31, examples=[1])]
    """A version of this model."""


def _one_of_both(schema: Json) -> None:
    """Says that a request has either instances or one instance, and neither is null.

    Not by `oneOf`, of which generators of clients make two kinds of requests.
    """
    for name in ("instances", "instance"):
        field = schema["properties"][name]
        choices = [choice for choice in field.pop("anyOf") if choice != {"type": "null"}]
        field |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    schema["if"] = {"not": {"required": ["instance"]}}
    schema["then"] = {"required": ["instances"]}
    schema["else"] = {"not": {"required": ["instances"]}}
    schema["examples"] = [
        {"instances": [{"x1": 0.5, "x2": -0.3}, {"x1": 1.9, "x2": 1.8}]},
        {"instances": [[0.5, -0.3], [1.9, 1.8]]},
        {
            "instances": [{"x1": "0.5", "x2": -0.3, "row": 17}],
            "extra": "ignore",
            "warnings": False,
        },
        {"instance": {"x1": 0.5, "x2": -0.3}},
    ]


class PredictRequest(Body):
    """Rows to predict."""

    model_config = ConfigDict(json_schema_extra=_one_of_both)

    instances: Annotated[
        Annotated[
            list[Json | list[Any] | str], Field(fail_fast=True, min_length=1, max_length=100_000)
        ]
        | None,
        Field(examples=[[{"x1": 0.5, "x2": -0.3}]]),
    ] = None
    """Records with a value for each feature, or arrays in the order of the features. `null` is a
    missing cell. A number may be a text, written as in the uploaded file. The target and the
    columns that the model left out may stand in a record; they are not read. An image is nested
    arrays, or a PNG or JPEG file in base64: a text, or `{"b64": "…"}`."""
    instance: Annotated[
        Json | list[Any] | str | None, Field(examples=[{"x1": 0.5, "x2": -0.3}])
    ] = None
    """In place of `instances`: one alone. The answer has one prediction."""
    extra: Annotated[Literal["refuse", "ignore"], Field(examples=["ignore"])] = "refuse"
    """Columns of a record that the model does not know: `refuse` the request, or `ignore` them."""
    warnings: Annotated[StrictBool, Field(examples=[False])] = True
    """Whether the answer tells what the instances hold that training did not. `false` silences
    that."""

    mc_samples: Annotated[int, Field(ge=0, le=MOST_SAMPLES, examples=[50])] = 0
    """Monte Carlo dropout: so many passes with dropout switched on, the same masks for all rows.
    Their mean answers, and `deviation`, `entropy` and `mutual_information` tell how far they
    spread. 0 is the plain answer, in eval mode."""
    seed: Annotated[int, Field(ge=0, lt=2**63, examples=[1])] = 0
    """Of the masks of `mc_samples`: the same seed gives the same answer."""
    calibrated: Annotated[StrictBool, Field(examples=[True])] = False
    """Whether `probabilities` are those of scores divided by the temperature that was fitted on
    rows that did not train the model: as right as they are sure. `label` stays what it is."""
    coverage: Annotated[float, Field(gt=0, lt=1, strict=True, examples=[0.9])] | None = None
    """In how much of all rows the truth is to be covered: a regression also answers `interval`, a
    classification `prediction_set`. Split-conformal: docs/uncertainty.md says what it promises."""
    members: Annotated[StrictBool, Field(examples=[True])] = False
    """Of a model of several networks: `deviation`, `entropy` and `mutual_information` tell how far
    they differ. The answer stays what it is."""

    @property
    def settings(self) -> AnswerSettings:
        """How the rows are to be answered."""
        return AnswerSettings(
            mc_samples=self.mc_samples,
            seed=self.seed,
            calibrated=self.calibrated,
            coverage=self.coverage,
            members=self.members,
        )

    @model_validator(mode="after")
    def one_of_both(self) -> Self:
        """Refuse neither and both."""
        given = {"instances", "instance"} & self.model_fields_set
        if len(given) != 1:
            fact = "both are given" if given else "neither is given"
            raise ValueError(f"give either instances, a list, or instance, one alone; {fact}")
        if self.instances is None and self.instance is None:
            raise ValueError(f"{given.pop()} must not be null")
        return self

    @property
    def rows(self) -> list[Json | list[Any] | str]:
        """The instances, be it one alone."""
        if self.instances is not None:
            return self.instances
        return [] if self.instance is None else [self.instance]


class RowsOfText(RootModel[str]):
    """Rows as text: CSV with a header line, or one object of JSON a line."""

    model_config = ConfigDict(json_schema_extra={"examples": ["x1,x2\n0.5,-0.3\n"]})


class RowsOfParquet(RootModel[bytes]):
    """Rows as a file of Parquet."""

    model_config = ConfigDict(
        json_schema_extra={"examples": ["PAR1…"], "contentMediaType": "application/octet-stream"}
    )


class RowsOfFile(Body):
    """A file of rows, and what is said of it. The file stands behind the fields."""

    model_config = ConfigDict(json_schema_extra={"required": ["file"]})

    separator: Annotated[str, Field(examples=[","])]
    """The character between the cells of a CSV, or its name, as at upload."""
    header: Annotated[Literal["true", "false"], Field(examples=["true"])]
    """Whether the first line of a CSV holds the columns' names; if not, the cells stand in the
    order of the model's columns."""
    encoding: Annotated[str, Field(examples=["utf-8"])]
    """The encoding of a CSV's text."""
    missing: Annotated[str, Field(examples=['["NA", "-"]'])]
    """The texts that stand for a missing cell, as at upload."""
    decimal: Annotated[Literal[".", ","], Field(examples=["."])]
    """The decimal mark of numbers; as in the data set unless given."""
    thousands: Annotated[str, Field(examples=[","])]
    """The mark between groups of three digits; as in the data set unless given."""
    score: Annotated[Literal["true", "false"], Field(examples=["false"])]
    """Whether to answer how right the predictions are, by the target's column, in place of rows."""
    version: Annotated[str, Field(examples=["1"])]
    """A version's number, or an alias."""
    file: Annotated[
        bytes,
        Field(
            examples=["x1,x2\n0.5,-0.3\n"],
            json_schema_extra={"contentMediaType": "application/octet-stream"},
        ),
    ]
    """CSV, lines of JSON, or Parquet."""


class PredictResponse(Body):
    """Predictions, in the order of the instances."""

    # Without warnings, where the request silences them.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    predictions: Annotated[
        list[Prediction],
        Field(examples=[[{"label": "0", "probabilities": {"0": 0.97, "1": 0.03}, "value": 0}]]),
    ]
    """One a row."""
    model: Annotated[str, Field(examples=["credit"])]
    """The model that answered."""
    version: Annotated[int, Field(examples=[3])]
    """The version that answered."""
    warnings: Annotated[
        list[PredictionWarning],
        Field(
            default_factory=list,
            examples=[
                [
                    {
                        "code": "far_outside",
                        "column": "x1",
                        "message": "Column 'x1' lies far outside the training rows, which had -2 "
                        "to 2, in 1 instance; instance 0 has 19. No answer was ever tested there.",
                        "count": 1,
                        "first": 0,
                        "example": 19.0,
                    }
                ]
            ],
        ),
    ]
    """What the instances hold that training did not, one a kind and column; empty if there is
    nothing. Absent if the request says `"warnings": false`."""


class CertificateView(Body):
    """The proof that a model answers in eval mode; without one that passed, none is served."""

    object: Annotated[Literal["certificate"], Field(examples=["certificate"])] = "certificate"
    """Always `certificate`."""
    model: Annotated[str, Field(examples=["credit"])]
    """The model."""
    version: Annotated[int, Field(examples=[3])]
    """Its version."""
    passed: Annotated[bool, Field(examples=[True])]
    """Whether every check held."""
    issued_at: Annotated[datetime, Field(examples=[WHEN])]
    """When it was checked."""
    checks: list[Check]
    """The checks."""
