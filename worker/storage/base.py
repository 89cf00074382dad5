"""What all tables have in common: how their Python types are stored, how constraints are named."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase

from worker.results import Advice, Appraisal, JobError, Metrics, NetworkReport, Understood, Winner
from worker.schema import Json
from worker.storage.documents import Document
from worker.storage.types import JsonRecord, UtcDateTime

# SQLite numbers rows by itself only in a column declared INTEGER.
Cursor = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Base of all tables; constraints are named so that migrations can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime(),
        Json: Document(),
        list[Json]: Document(),
        Metrics: Document(),
        JobError: JsonRecord(JobError),
        Winner: JsonRecord(Winner),
        Appraisal: JsonRecord(Appraisal),
        NetworkReport: JsonRecord(NetworkReport),
        list[Advice]: JsonRecord(list[Advice]),
        Understood: JsonRecord(Understood),
    }
