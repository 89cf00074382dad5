"""The catalogue of models as servers keep it in memory, and the number by which they follow it.

Every transaction that changes a model, a version or an alias calls :func:`mark_changed`. Who has
seen revision n asks for the models that changed after it, and for nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import select, true, update
from sqlalchemy.orm import Session

from worker.caller import DEFAULT_TENANT
from worker.storage.tables import CatalogueState, Model, ModelAlias, ModelVersion

ModelKey = tuple[str, str]
"""A tenant, and the name that a model has there."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version of a model: which member of which file. It never changes."""

    model_id: str
    version: int
    path: str
    sha256: str
    position: int
    tenant: str = DEFAULT_TENANT


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueEntry:
    """A model as it was at some revision."""

    id: str
    name: str
    unloaded: bool
    """Whether it was taken out of service."""
    versions: Mapping[int, StoredVersion]
    """By number, the newest first."""
    aliases: Mapping[str, int]
    tenant: str = DEFAULT_TENANT

    @property
    def key(self) -> ModelKey:
        """What the name is unique with."""
        return self.tenant, self.name


@dataclass(frozen=True, slots=True)
class CatalogueChanges:
    """What changed after a revision."""

    revision: int
    """How far this goes."""
    entries: tuple[CatalogueEntry, ...]
    complete: bool
    """Whether these are all models that there are."""


def mark_changed(session: Session, model_id: str) -> None:
    """Number the change of a model that this transaction makes.

    Call it last: until the transaction ends, others that change models wait for it.
    """
    session.execute(update(CatalogueState).values(revision=CatalogueState.revision + 1))
    number = session.scalars(select(CatalogueState.revision)).one()
    session.execute(update(Model).where(Model.id == model_id).values(revision=number))


def mark_deleted(session: Session) -> None:
    """Number the deletion of a model: nothing of it is left to be read as changed."""
    following = CatalogueState.revision + 1
    session.execute(update(CatalogueState).values(revision=following, deleted=following))


def changes_since(session: Session, seen: int | None) -> CatalogueChanges | None:
    """The models of all tenants that changed after a revision, or all; none if nothing did.

    These are all models where one was deleted since; and where the database is behind what was
    seen, since it is another one, restored from a copy say.
    """
    revision, deleted = session.execute(
        select(CatalogueState.revision, CatalogueState.deleted)
    ).one()
    if revision == seen:
        return None
    complete = seen is None or not deleted <= seen <= revision
    chosen = true() if complete else Model.revision > seen
    models = session.execute(
        select(Model.id, Model.name, Model.unloaded, Model.tenant).where(chosen)
    ).all()
    aliases: dict[str, dict[str, int]] = {model.id: {} for model in models}
    versions: dict[str, dict[int, StoredVersion]] = {model.id: {} for model in models}
    # Aliases before versions: what is committed between the two is then read once more, but no
    # alias points at a version that was not read.
    for alias in session.execute(
        select(ModelAlias.model_id, ModelAlias.alias, ModelAlias.version)
        .join(Model, Model.id == ModelAlias.model_id)
        .where(chosen)
    ):
        aliases.setdefault(alias.model_id, {})[alias.alias] = alias.version
    for row in session.execute(
        select(
            ModelVersion.model_id,
            ModelVersion.version,
            ModelVersion.path,
            ModelVersion.sha256,
            ModelVersion.position,
            Model.tenant,
        )
        .join(Model, Model.id == ModelVersion.model_id)
        .where(chosen)
        .order_by(ModelVersion.model_id, ModelVersion.version.desc())
    ):
        versions.setdefault(row.model_id, {})[row.version] = StoredVersion(*row)
    return CatalogueChanges(
        revision,
        tuple(
            CatalogueEntry(
                model.id,
                model.name,
                model.unloaded,
                MappingProxyType(versions[model.id]),
                MappingProxyType(aliases[model.id]),
                model.tenant,
            )
            for model in models
        ),
        complete,
    )
