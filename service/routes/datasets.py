"""Data sets: uploaded, listed, read, deleted."""

from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, Response, UploadFile

from service import uploads
from service.bodies import CheckedRoute
from service.dependencies import DatasetId, PlainDatasetId, ServicesDep
from service.errors import problems
from service.schemas.common import Limit, Listing
from service.schemas.datasets import DatasetView
from service.views import FEW, dataset_view
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
) -> DatasetView:
    """Reads a file, whose content tells its format, and types its columns.

    * CSV, by the cells: numeric when every cell that is not missing is a finite number, categorical
      otherwise. Empty cells, `NA`, `?`, `nan` and `null` are missing.
    * Parquet, by its types: numbers; booleans and strings are categorical. Dates are refused.
    * NPZ: the arrays x (features [N, F], images [N, H, W], [N, C, H, W] or [N, H, W, C]) or series
      ([N, C, L]), and y (labels [N]); or the same as x_train, y_train, x_test, y_test, which a job
      keeps apart with `"split": {"rows": "given"}`.
    * A zip of PNG or JPEG images of one size: class/file.png, or train/class/file.png beside
      test/class/file.png.

    Files that hold pickled objects are refused.

    `curl -F file=@credit.csv -F target=class http://127.0.0.1:8000/v1/datasets`
    """
    label = uploads.checked_name(name, file.filename)
    row = uploads.store_upload(
        services, file.file, name=label, target=target or None, filename=file.filename
    )
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
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[DatasetView]:
    """The data sets, newest first, each with its first columns."""
    with services.database.read() as session:
        page = datasets.dataset_page(session, limit=limit, after=after)
    return Listing(
        data=[dataset_view(row, columns=FEW) for row in page.items], has_more=page.has_more
    )


@router.get(
    "/{id}",
    operation_id="get_dataset",
    summary="Read a data set",
    responses=problems(404),
)
def get_dataset(
    services: ServicesDep,
    dataset_id: DatasetId,
    include: Annotated[
        Literal["categories"] | None,
        Query(
            description="`categories`: every category of every column.",
            examples=["categories"],
        ),
    ] = None,
) -> DatasetView:
    """A data set's columns and size. Its rows are not given back.

    Of a categorical column it has the first categories and their number; with `include=categories`
    all of them, which may be long.
    """
    with services.database.read() as session:
        row = datasets.find_dataset(session, dataset_id)
    return dataset_view(row, categories=None if include == "categories" else FEW)


@router.delete(
    "/{id}",
    operation_id="delete_dataset",
    summary="Delete a data set",
    status_code=204,
    response_class=Response,
    responses=problems(404, 409),
)
def delete_dataset(services: ServicesDep, dataset_id: PlainDatasetId) -> None:
    """Deletes a data set and its rows. Refused while a job that has not ended needs it; models
    that were trained on it keep working.
    """
    uploads.remove_upload(services, dataset_id)
