"""The techniques, each as its own class describes it."""

import difflib
from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.errors import problems
from service.operations import Operation
from service.schemas.common import Listing
from service.schemas.techniques import TechniqueDetail, TechniqueView
from service.security.callers import READ
from worker.errors import NotFoundError
from worker.regularization import catalogue, techniques

router = APIRouter(prefix="/v1/techniques", tags=["Techniques"], route_class=Operation)


@router.get(
    "",
    operation_id="list_techniques",
    summary="List techniques",
    responses=problems(404),
    dependencies=[READ],
)
def list_techniques(
    family: Annotated[
        str | None,
        Query(
            max_length=100,
            description="Only techniques of this family: the moment of training at which they act.",
            examples=["dropout"],
        ),
    ] = None,
) -> Listing[TechniqueView]:
    """Everything that may stand in a job's `regularization`, in the order of its fields: what it
    does, with its formula; when to use it and where to start; what it combines badly with; what it
    costs; its settings, with bounds, defaults and default search ranges; its source.
    """
    cards = catalogue()
    families = list(dict.fromkeys(card.family for card in cards.values()))
    if family is not None and family not in families:
        raise NotFoundError(
            f"There is no family {family!r}; there are {', '.join(families)}.", param="family"
        )
    data = [
        TechniqueView(**dict(card))
        for card in cards.values()
        if family is None or card.family == family
    ]
    return Listing(data=data, has_more=False)


@router.get(
    "/{name}",
    operation_id="get_technique",
    summary="Read a technique",
    responses=problems(404),
    dependencies=[READ],
)
def get_technique(
    name: Annotated[
        str,
        Path(description="Its key in a job's `regularization`.", examples=["dropout"]),
    ],
) -> TechniqueDetail:
    """One technique, with the JSON schema of its settings."""
    classes = techniques()
    if name not in classes:
        close = difflib.get_close_matches(name, classes, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"there are {', '.join(classes)}."
        raise NotFoundError(f"There is no technique {name!r}; {remedy}", param="name")
    return TechniqueDetail(**dict(catalogue()[name]), settings=classes[name].model_json_schema())
