"""Data sets: uploaded, listed, read, deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, Response, UploadFile

from service import uploads
from service.bodies import CheckedRoute
from service.dependencies import DatasetId, PlainDatasetId, Services, ServicesDep
from service.errors import problems
from service.reading_form import (
    ColumnsField,
    DecimalField,
    EncodingField,
    HeaderField,
    MissingField,
    SeparatorField,
    ThousandsField,
    reading_of,
)
from service.schemas.common import Limit, Listing
from service.schemas.datasets import DatasetSummary, DatasetView
from service.security.callers import Reader, Trainer
from service.views import dataset_summary, dataset_view
from worker.caller import Caller
from worker.data import Preview, Table, ValueCount, category_page, preview
from worker.storage import datasets

router = APIRouter(prefix="/v1/datasets", tags=["Data sets"], route_class=CheckedRoute)


@router.post(
    "",
    operation_id="upload_dataset",
    summary="Upload a data set",
    status_code=201,
)
def upload_dataset(
    services: ServicesDep,
    caller: Trainer,
    response: Response,
    file: Annotated[
        UploadFile,
        File(
            description="CSV in UTF-8 with a header line, Parquet, NPZ, or a zip of images in one "
            "folder a class.",
            examples=["x1,x2,y\n1,2,a\n"],
        ),
    ],
    name: Annotated[
        str | None,
        Form(description="A label for people; the file's name unless given.", examples=["credit"]),
    ] = None,
    target: Annotated[
        str | None,
        Form(
            description="The column that jobs predict unless they name one. An NPZ has its own, y; "
            "a zip of images class.",
            examples=["y"],
        ),
    ] = None,
    columns: ColumnsField = None,
    decimal: DecimalField = None,
    thousands: ThousandsField = None,
    missing: MissingField = None,
    separator: SeparatorField = None,
    header: HeaderField = None,
    encoding: EncodingField = None,
) -> DatasetView:
    """Reads a file, whose content tells its format, and answers with a report of what was read:
    the kind and figures of each column, what the target was understood as, and findings.

    * CSV, by the cells: numeric when every cell that is not missing is a number, plainly or in
      one notation (decimal comma, thousands, per cent, a currency), categorical otherwise. Empty
      cells, `NA`, `N/A`, `?`, `NaN` and `null` are missing.
    * Parquet, by its types: numbers; dates; booleans and strings are categorical.
    * NPZ: the arrays x (features [N, F], images [N, H, W], [N, C, H, W] or [N, H, W, C]) or series
      ([N, C, L]), and y (labels [N]); or the same as x_train, y_train, x_test, y_test, which a job
      keeps apart with `"split": {"rows": "given"}`.
    * A zip of PNG or JPEG images of one size: class/file.png, or train/class/file.png beside
      test/class/file.png.

    Files that hold pickled objects are refused. What is said in `columns`, `decimal`, `thousands`,
    `missing`, `separator`, `header` and `encoding` overrules what is worked out from the cells. The
    file itself is kept, so that a job may say so later, in fields of the same names.

    `curl -F file=@credit.csv -F target=class http://127.0.0.1:8000/v1/datasets`
    """
    upload = uploads.Upload(
        file=file.file,
        filename=file.filename,
        name=uploads.checked_name(name, file.filename),
        target=target or None,
        reading=reading_of(
            {
                "columns": columns,
                "decimal": decimal,
                "thousands": thousands,
                "missing": missing,
                "separator": separator,
                "header": header,
                "encoding": encoding,
            }
        ),
    )
    row = uploads.store_upload(services, caller, upload)
    response.headers["Location"] = f"/v1/datasets/{row.id}"
    return dataset_view(row)


@router.get(
    "",
    operation_id="list_datasets",
    summary="List data sets",
    responses=problems(404),
)
def list_datasets(
    services: ServicesDep,
    caller: Reader,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[DatasetSummary]:
    """The data sets, newest first, in short: `GET /v1/datasets/{id}` has all columns."""
    with services.database.read() as session:
        page = datasets.dataset_page(session, limit=limit, after=after, tenant=caller.tenant)
        return Listing(data=[dataset_summary(row) for row in page.items], has_more=page.has_more)


@router.get(
    "/{id}",
    operation_id="get_dataset",
    summary="Read a data set",
    responses=problems(404),
)
def get_dataset(
    services: ServicesDep,
    caller: Reader,
    dataset_id: DatasetId,
    include: Annotated[
        Literal["categories"] | None,
        Query(
            description="`categories`: every category of every column.",
            examples=["categories"],
        ),
    ] = None,
) -> DatasetView:
    """A data set: what was read, the figures of each column, and what was found in them.

    Of a categorical column it has the first categories and their number; with `include=categories`
    all of them, which may be long. `/values` has them in pages, `/preview` the first rows.
    """
    with services.database.read() as session:
        row = datasets.find_dataset(session, dataset_id, tenant=caller.tenant)
    if include != "categories":
        return dataset_view(row)
    with services.tables.opened(row.id, tenant=caller.tenant) as table:
        return dataset_view(row, table)


@router.get(
    "/{id}/preview",
    operation_id="preview_dataset",
    summary="The first rows of a data set",
    responses=problems(404),
)
def preview_dataset(
    services: ServicesDep,
    caller: Reader,
    dataset_id: DatasetId,
    rows: Annotated[
        int, Query(ge=1, le=100, description="How many rows to show.", examples=[20])
    ] = 20,
) -> Preview:
    """The first rows, as they were read: a text that was taken for a number is a number here, a
    date is a date, and what counts as missing is null.
    """
    with _table(services, caller, dataset_id) as (table, _):
        return preview(table, rows)


@router.get(
    "/{id}/values",
    operation_id="list_values",
    summary="The categories of a column",
    responses=problems(404),
)
def list_values(
    services: ServicesDep,
    caller: Reader,
    dataset_id: DatasetId,
    column: Annotated[
        str | None,
        Query(
            description="A column's name; unless given the target of the data set, or else its "
            "first column that is categorical.",
            examples=["y"],
        ),
    ] = None,
    limit: Limit = 100,
    after: Annotated[
        int,
        Query(ge=0, lt=2**31, description="The last id of the page before.", examples=[0]),
    ] = 0,
) -> Listing[ValueCount]:
    """All categories of a column with their counts, sorted, in pages. `id` is the cursor. A column
    of another kind has none; the data set's own answer has its figures.
    """
    with _table(services, caller, dataset_id) as (table, target):
        categorical = (known.name for known in table.columns if known.kind == "categorical")
        chosen = column or target or next(categorical, table.names[0])
        values, has_more = category_page(table, chosen, after=after, limit=limit)
    return Listing(data=values, has_more=has_more)


@contextmanager
def _table(
    services: Services, caller: Caller, dataset_id: str
) -> Iterator[tuple[Table, str | None]]:
    """The table of a data set as it was read at upload, read as far as it is looked at, and its
    target; ``NotFoundError`` where it is gone.
    """
    with services.database.read() as session:
        row = datasets.find_dataset(session, dataset_id, tenant=caller.tenant)
    with services.tables.opened(dataset_id, tenant=caller.tenant) as table:
        yield table, row.target


@router.delete(
    "/{id}",
    operation_id="delete_dataset",
    summary="Delete a data set",
    status_code=204,
    response_class=Response,
    responses=problems(404, 409),
)
def delete_dataset(services: ServicesDep, caller: Trainer, dataset_id: PlainDatasetId) -> None:
    """Deletes a data set, its rows and its file. Refused while a job that has not ended needs it;
    models that were trained on it keep working.
    """
    uploads.remove_upload(services, caller, dataset_id)
