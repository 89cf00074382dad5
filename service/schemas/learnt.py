"""Bodies about what a model has learnt, and what rebuilds it."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body
from worker.data import Cell
from worker.results import EnsembleConfiguration, EnsembleKind, Part
from worker.schema import Json

COLUMNS_SHOWN, CATEGORIES_SHOWN = 1_000, 100


class Intercept(Body):
    """The intercept of one output."""

    output: Annotated[str | None, Field(examples=[None])]
    """The class whose logit it belongs to; null of a regression."""
    intercept: Annotated[float, Field(examples=[-334.567])]
    """In the units of target and columns: the score where every number is 0, and no category is
    met."""
    standardized: Annotated[float, Field(examples=[0.0021])]
    """As the network has it: the score where every input is 0."""


class Coefficient(Body):
    """The coefficient of one input, for one output."""

    feature: Annotated[str, Field(examples=["bmi"])]
    """The input: a column, `column=category`, or a part of a date such as `signup.month`."""
    column: Annotated[str, Field(examples=["bmi"])]
    """The column that it comes from."""
    output: Annotated[str | None, Field(examples=[None])]
    """The class whose logit it adds to; null of a regression."""
    coefficient: Annotated[float, Field(examples=[5.603])]
    """By how much the answer changes with one unit of the column, in units of the target; of a
    class its logit. Of a category: beside a row of no known category."""
    standardized: Annotated[float, Field(examples=[0.3212])]
    """The network's own weight: of the input as preprocessed, and of the target as it was trained
    on."""
    acts: Annotated[bool, Field(examples=[True])]
    """Whether the training rows told the input apart. If not, it changes no answer, and both
    coefficients are 0."""


class CoefficientsView(Body):
    """What a linear network has learnt: score = intercept + Σ coefficient · input."""

    object: Annotated[Literal["coefficients"], Field(examples=["coefficients"])] = "coefficients"
    """Always `coefficients`."""
    model: Annotated[str, Field(examples=["diabetes"])]
    """The model."""
    version: Annotated[int, Field(examples=[1])]
    """Its version."""
    target: Annotated[str, Field(examples=["target"])]
    """The column that is predicted."""
    task: Annotated[Literal["binary", "multiclass", "regression"], Field(examples=["regression"])]
    """As what it is predicted."""
    link: Annotated[Literal["identity", "log", "logit", "softmax"], Field(examples=["identity"])]
    """What the score is: the value itself; its logarithm (the loss `poisson`); the log odds of the
    second class; or the classes' softmax scores."""
    regularization: Annotated[Json, Field(examples=[{"l1": {"strength": 0.02}}])]
    """The techniques of its trial with their strengths λ, in units of the loss on the target as it
    was trained on."""
    intercepts: list[Intercept]
    """One for each output."""
    data: list[Coefficient]
    """One for each input and output, input by input, in the order of the network's inputs."""
    total: Annotated[int, Field(examples=[10])]
    """How many there are."""
    has_more: Annotated[bool, Field(examples=[False])]
    """Whether some follow after the last one here."""


class ManifestColumn(Body):
    """A column that the network sees."""

    name: Annotated[str, Field(examples=["job"])]
    """Its name."""
    kind: Annotated[
        Literal["numeric", "categorical", "date", "image"], Field(examples=["categorical"])
    ]
    """What it is read as."""
    categories: Annotated[list[str], Field(examples=[["skilled", "unskilled"]])]
    """The first 100 categories, in the order of their inputs; the file has all."""
    categories_count: Annotated[int, Field(examples=[2])]
    """How many there are."""
    shape: Annotated[list[int], Field(examples=[[]])]
    """Of an image or a series; empty for others."""
    minimum: Annotated[Cell, Field(examples=[None])] = None
    """The smallest number or the first date that the training rows had; null of other kinds, and in
    versions of earlier releases."""
    maximum: Annotated[Cell, Field(examples=[None])] = None
    """The largest number or the last date."""


class ManifestTarget(Body):
    """What is predicted."""

    column: Annotated[str, Field(examples=["class"])]
    """Its column."""
    task: Annotated[Literal["binary", "multiclass", "regression"], Field(examples=["binary"])]
    """As what."""
    classes: Annotated[list[str], Field(examples=[["bad", "good"]])]
    """The classes in the order of their numbers; empty for a regression."""
    positive: Annotated[str | None, Field(examples=["good"])]
    """Of two classes: the one that recall, precision and the threshold are about, where the job
    names it; else null, for the second."""


class ManifestFile(Body):
    """Where the weights lie, and in what form."""

    format: Annotated[int, Field(examples=[1])]
    """The layout of the file; docs/model-file.md says what stands where."""
    position: Annotated[int, Field(examples=[0])]
    """Which trial of the fleet's file the version is, from 0."""
    trials: Annotated[int, Field(examples=[4])]
    """How many trials that file holds. `GET …/file` gives one of this trial alone."""
    shape: Annotated[list[int], Field(examples=[[2]])]
    """Of one encoded row."""
    outputs: Annotated[int, Field(examples=[1])]
    """Scores of one row."""
    parameters: Annotated[dict[str, int], Field(examples=[{"total": 2751}])]
    """Numbers that the network learns; its tensors of weights, and those that no penalty acts
    on."""


class ManifestCalibration(Body):
    """What the file keeps of rows that did not train the model, for `calibrated` and `coverage`."""

    part: Annotated[Part, Field(examples=["validation"])]
    """Which rows they were."""
    rows: Annotated[int, Field(examples=[200])]
    """How many there were."""
    kept: Annotated[int, Field(examples=[200])]
    """Of how many it is kept how far off the answer was: n rows give a coverage of n/(n + 1) at
    most."""
    nonconformity: Annotated[
        Literal["probability", "residual", "pearson"] | None, Field(examples=["probability"])
    ]
    """How that is measured: 1 − p of the true class, abs(y − ŷ), or abs(y − μ)/√μ; null where an
    interval would make no sense."""
    temperature: Annotated[float | None, Field(examples=[1.31])]
    """What logits are divided by with `calibrated`; null of a regression."""


class ManifestEnsemble(Body):
    """Networks of several trials that answer as their mean."""

    method: Annotated[EnsembleKind, Field(examples=["all"])]
    """How they were chosen."""
    networks: Annotated[int, Field(examples=[80])]
    """How many there are."""
    members: list[EnsembleConfiguration]
    """Their configurations, those with the largest share first."""


class ModelManifest(Body):
    """What rebuilds a version. Parts that stand in its file are null while that cannot be read."""

    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial whose weights it has."""
    settings: Annotated[Json, Field(examples=[{"name": "dropout", "configuration": 3}])]
    """The trial's complete settings: network, regularization, training, repeat and fold."""
    network: Annotated[Json, Field(examples=[{"kind": "mlp", "hidden": [50, 50]}])]
    """The network."""
    dataset: Annotated[str | Json | None, Field(examples=["ds_5f0c9a3e1b7d2468ace0f135"])]
    """The data set that it was trained on; null in versions of earlier releases whose job is
    gone."""
    split: Annotated[Json | None, Field(examples=[{"validation": 0.2, "test": 0.0, "seed": 11}])]
    """How its rows were divided, long lists of rows cut; null as `dataset`."""
    preprocessing: Annotated[Json | None, Field(examples=[{"numeric": "standardize"}])]
    """How columns became numbers."""
    columns: list[ManifestColumn] | None
    """The columns that the network sees, in order, at most 1,000; the file has all."""
    columns_count: Annotated[int | None, Field(examples=[2])]
    """How many there are."""
    target: ManifestTarget | None
    """What is predicted."""
    file: ManifestFile | None
    """Where the weights lie."""
    ensemble: ManifestEnsemble | None = None
    """The networks that answer together; null of one trial."""
    calibration: ManifestCalibration | None = None
    """What its file keeps of rows that did not train it; null where there were none, and of
    versions of earlier releases."""
    environment: Annotated[
        dict[str, str | int] | None,
        Field(examples=[{"torch": "2.13.0", "threads": 1, "device": "cpu", "machine": "x86_64"}]),
    ]
    """What it was trained by: the versions of Python and its libraries, device, threads,
    machine."""
    incomplete: Annotated[str | None, Field(examples=[None])]
    """Why parts are null; null where all are there."""
