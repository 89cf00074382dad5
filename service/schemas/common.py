"""What all bodies share: the base class, pages, problems, stored specifications."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Body(BaseModel):
    """A body, in the words of its own docstrings. Answers have all members but the excluded."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,
    )


Item = TypeVar("Item")


class Listing(Body, Generic[Item]):
    """A page of a list. Give the last item's `id` as `after` to read on while `has_more`."""

    # For the docstrings of each `Listing[…]`, which has none, pydantic would look through all
    # modules some fifty times: a quarter of the service's start.
    model_config = ConfigDict(use_attribute_docstrings=False)

    object: Annotated[Literal["list"], Field(description="Always `list`.", examples=["list"])] = (
        "list"
    )
    data: Annotated[list[Item], Field(description="The items of this page.", examples=[[]])]
    has_more: Annotated[
        bool,
        Field(description="Whether items follow after the last one here.", examples=[False]),
    ]


class FieldProblem(Body):
    """One field that is wrong."""

    param: Annotated[str | None, Field(examples=["regularization.dropout.p"])]
    """Dotted path of the field."""
    message: Annotated[str, Field(examples=["must be below 1, not 1"])]
    """What is wrong, and what would be right."""


class Problem(BaseModel):
    """What went wrong (RFC 9457). Further members depend on `code`."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="allow")

    type: Annotated[str, Field(examples=["urn:parsimony:problem:invalid_request"])]
    """A URI for this kind of problem."""
    title: Annotated[str, Field(examples=["The request is not valid"])]
    """The kind of problem, in words."""
    status: Annotated[int, Field(examples=[422])]
    """The HTTP status."""
    detail: Annotated[str, Field(examples=["regularization.dropout.p: must be below 1, not 1"])]
    """This occurrence, with its remedy."""
    code: Annotated[str, Field(examples=["invalid_request"])]
    """The kind of problem, for programs."""
    param: Annotated[str | None, Field(examples=["regularization.dropout.p"])]
    """Dotted path of the field that it is about, if it is about one."""
    errors: Annotated[list[FieldProblem] | None, Field(examples=[None])] = None
    """All fields that are wrong, where there may be several."""


class InferenceProblem(Problem):
    """What went wrong, as the clients of the Open Inference Protocol read it too."""

    error: Annotated[str, Field(examples=["inputs.0.datatype: must be one of BOOL, …"])]
    """The same as `detail`."""


AS_ACCEPTED = "x-as-accepted"


class SchemaOf:
    """Marks a stored object that is documented as what was accepted, but not parsed again.

    What was accepted by an earlier release must stay readable in this one.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Take any object."""
        return core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Document it as the body that is accepted, which `service.openapi` refers to."""
        return {"type": "object", AS_ACCEPTED: self.model.__name__}


Limit = Annotated[int, Query(ge=1, le=1000, description="Most items on the page.", examples=[20])]
"""The page size of every list."""
