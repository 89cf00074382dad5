"""From what a version has learnt to bodies."""

from collections.abc import Mapping
from itertools import islice

from service.schemas.learnt import (
    CATEGORIES_SHOWN,
    COLUMNS_SHOWN,
    Coefficient,
    CoefficientsView,
    Intercept,
    ManifestCalibration,
    ManifestColumn,
    ManifestFile,
    ManifestTarget,
    ModelManifest,
)
from worker.data import Cell
from worker.models import Coefficients, Manifest
from worker.schema import Json
from worker.spec import without_off
from worker.storage.models import ENSEMBLE
from worker.storage.tables import ModelVersion

UNKNOWN = (None, None)


def coefficients_view(
    found: Coefficients,
    *,
    name: str,
    version: int,
    target: str,
    regularization: Json,
    window: slice,
) -> CoefficientsView:
    """Those of a window of all coefficients, which are counted input by input."""
    outputs = found.outputs
    total = len(found.features) * len(outputs)
    first, end, _ = window.indices(total)
    return CoefficientsView(
        model=name,
        version=version,
        target=target,
        task=found.task,
        link=found.link,
        regularization=regularization,
        intercepts=[
            Intercept(output=output, intercept=original, standardized=standardized)
            for output, original, standardized in zip(
                outputs,
                found.intercept.tolist(),
                found.standardized_intercept.tolist(),
                strict=True,
            )
        ],
        data=[
            Coefficient(
                feature=found.features[feature],
                column=found.columns[feature],
                output=outputs[output],
                coefficient=float(found.original[feature, output]),
                standardized=float(found.standardized[feature, output]),
                acts=bool(found.acts[feature]),
            )
            for feature, output in (divmod(n, len(outputs)) for n in range(first, end))
        ],
        total=total,
        has_more=end < total,
    )


def _calibration(file: Manifest | None) -> ManifestCalibration | None:
    kept = None if file is None else file.calibration
    if kept is None:
        return None
    names = set(ManifestCalibration.model_fields)  # the file of a later release may say more
    return ManifestCalibration.model_validate(kept.model_dump(include=names))


def manifest_view(
    row: ModelVersion,
    settings: Json,
    *,
    split: Json | None,
    dataset: str | Json | None,
    file: Manifest | None,
    ranges: Mapping[str, tuple[Cell, Cell]],
    incomplete: str | None,
) -> ModelManifest:
    """What rebuilds a version: what its row and its trial's settings say, and its file."""
    columns = None if file is None else file.encoder.columns
    return ModelManifest(
        trial=row.trial_id,
        settings=without_off(settings),
        network=settings.get("network", {}),
        dataset=dataset,
        split=split,
        preprocessing=None if file is None else file.encoder.preprocessing.model_dump(mode="json"),
        columns=None
        if columns is None
        else [
            ManifestColumn(
                name=column.name,
                kind=column.kind,
                categories=list(islice(column.categories, CATEGORIES_SHOWN)),
                categories_count=len(column.categories),
                shape=list(column.shape),
                minimum=ranges.get(column.name, UNKNOWN)[0],
                maximum=ranges.get(column.name, UNKNOWN)[1],
            )
            for column in columns[:COLUMNS_SHOWN]
        ],
        columns_count=None if columns is None else len(columns),
        target=None if file is None else ManifestTarget.model_validate(_with_positive(file.target)),
        file=None
        if file is None
        else ManifestFile(
            format=file.format,
            position=row.position,
            trials=len(file.trials),
            shape=file.shape,
            outputs=file.outputs,
            parameters=file.parameters,
        ),
        ensemble=row.manifest.get(ENSEMBLE),
        calibration=_calibration(file),
        environment=None if file is None else file.environment,
        incomplete=incomplete,
    )


def _with_positive(target: Json) -> Json:
    return {"positive": None, **target}
