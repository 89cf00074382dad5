"""Registered models: names, their versions, and aliases that point at versions."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, defer

from worker.caller import DEFAULT_TENANT
from worker.errors import NotFoundError
from worker.failpoints import failpoint
from worker.results import Estimated, Metrics, NetworkReport, Understood
from worker.schema import Json, Stored
from worker.storage.catalogue import mark_changed
from worker.storage.page import Page, newest_first
from worker.storage.tables import (
    Fleet,
    Job,
    Model,
    ModelAlias,
    ModelVersion,
    TrialRow,
)
from worker.storage.types import Base, new_id

PRODUCTION = "production"
ESTIMATE = "estimate"
"""The member of a manifest that says how sure a version's metrics are."""
ENSEMBLE = "ensemble"
"""The one that names the networks of a version that is an ensemble."""
ORIGIN = "origin"
"""The one that says where it comes from, once its job is deleted."""
SPLIT, DATASET = "split", "dataset"
"""Those that say which rows it was trained on."""


class Origin(Stored):
    """What a version tells of the trial and the job that it comes from."""

    id: str
    """The trial's."""
    settings: Json
    metrics: Metrics
    """What the trial came to, by itself."""
    report: NetworkReport | None
    understood: Understood | None
    """What the job was understood as."""


@dataclass(frozen=True)
class ModelDetail:
    """What a reader asks about one model: its versions, newest first, and its aliases."""

    model: Model
    versions: list[ModelVersion]
    aliases: dict[str, int]


@dataclass(frozen=True)
class ModelBrief:
    """A model in a list: how many versions and aliases it has, and some of the aliases."""

    model: Model
    versions: int
    latest: int | None
    aliases: dict[str, int]
    aliases_count: int


ALIASES_LISTED = 10
"""Aliases of a model that a list shows."""


@dataclass(frozen=True)
class _File:
    """What a version serves: a place in the file of a fleet, or its ensemble."""

    fleet: str
    position: int
    path: str
    sha256: str
    bytes: int


def register(
    session: Session, job: Job, fleet: Fleet, trial: TrialRow, manifest: Json, expected: Estimated
) -> ModelVersion:
    """Make the trial the next version of the job's model, in the transaction that ends the job.

    Its metrics are those that are ``expected`` of its configuration; how sure they are, and what
    the trial came to by itself, is kept in its manifest. Where the job serves an ensemble, its file
    is the version's, and the trial is the winner's, which it stands for; so is the file of the
    trial alone that was written as the job was appraised.
    """
    if job.model_name is None or fleet.result_path is None or fleet.result_sha256 is None:
        raise ValueError("only a finished fleet of a job that names a model can be registered")
    model = _made(session, job.model_name, job.tenant)
    file = _File(
        fleet.id, trial.position, fleet.result_path, fleet.result_sha256, fleet.result_bytes or 0
    )
    if job.ensemble_path is not None and job.ensemble_sha256 is not None and _is_of(trial, job):
        # The file lies in the folder of the fleet that made it, the job's last.
        maker = job.ensemble_path.split("/")[2]
        file = _File(maker, 0, job.ensemble_path, job.ensemble_sha256, job.ensemble_bytes or 0)
    version = ModelVersion(
        model_id=model.id,
        version=highest(session, model) + 1,
        tenant=job.tenant,
        job_id=job.id,
        fleet_id=file.fleet,
        trial_id=trial.id,
        position=file.position,
        path=file.path,
        sha256=file.sha256,
        bytes=file.bytes,
        metrics=expected.metrics,
        manifest=manifest
        | {
            ESTIMATE: expected.model_dump(mode="json", include={"deviations", "n", "single"}),
            SPLIT: _shortened_split(job),
            DATASET: job.spec.get(DATASET),
        },
    )
    session.add(version)
    session.flush()
    mark_changed(session, model.id)
    failpoint("publish.version")
    return version


def _is_of(trial: TrialRow, job: Job) -> bool:
    """Whether the file that the job's appraisal wrote is that of an ensemble, or of this trial."""
    if job.appraisal is None or job.appraisal.ensemble is not None:
        return True
    sure = job.appraisal.uncertainty
    return sure is not None and sure.trial == trial.id


def _shortened_split(job: Job) -> Json:
    """The job's division of rows, complete but for long lists of rows, as answers show them."""
    whole = job.spec.get(SPLIT) or {}
    return {**whole, **((job.posted or {}).get(SPLIT) or {})}


def _made(session: Session, name: str, tenant: str) -> Model:
    """The model of a name, made if there is none; locked."""
    named = select(Model).where(Model.tenant == tenant, Model.name == name).with_for_update()
    while True:
        # Inserted before it is looked for: of two jobs that end together, each may see no such one.
        session.execute(
            _insert(session, Model)
            .values(id=new_id("mdl"), tenant=tenant, name=name)
            .on_conflict_do_nothing(index_elements=[Model.tenant, Model.name])
        )
        model = session.scalar(named)
        if model is not None:
            return model
        # It was deleted between the two.


def highest(session: Session, model: Model) -> int:
    """The highest number that a version of a model has or has had; the caller holds its row."""
    present = session.scalar(
        select(func.max(ModelVersion.version)).where(ModelVersion.model_id == model.id)
    )
    return max(present or 0, model.newest)


def find_model(
    session: Session, name: str, *, tenant: str = DEFAULT_TENANT, lock: bool = False
) -> Model:
    """The tenant's model of this name; ``NotFoundError`` without one."""
    query = select(Model).where(Model.tenant == tenant, Model.name == name)
    model = session.scalar(query.with_for_update() if lock else query)
    if model is None:
        raise no_model(name)
    return model


def no_model(name: str) -> NotFoundError:
    """The error of a name that no model has."""
    return NotFoundError(f"there is no model {name!r}; GET /v1/models lists yours", param="name")


def no_version(name: str, version: int | str | None) -> NotFoundError:
    """The error of a version or alias that a model has not."""
    return NotFoundError(
        f"model {name!r} has no version {version}; GET /v1/models/{name} lists them",
        param="version",
    )


def keep(session: Session, version: ModelVersion, name: str) -> None:
    """Have a version stay until this transaction ends; ``NotFoundError`` if it was deleted."""
    session.execute(
        select(Model.id)
        .where(Model.id == version.model_id)
        .with_for_update(read=True, key_share=True)
    )
    kept = select(ModelVersion.version).where(
        ModelVersion.model_id == version.model_id, ModelVersion.version == version.version
    )
    if session.scalar(kept) is None:
        raise no_version(name, version.version)


def describe(session: Session, name: str, *, tenant: str = DEFAULT_TENANT) -> ModelDetail:
    """A model with its versions and aliases."""
    model = find_model(session, name, tenant=tenant)
    versions = session.scalars(
        select(ModelVersion)
        .where(ModelVersion.model_id == model.id)
        .order_by(ModelVersion.version.desc())
        .options(defer(ModelVersion.manifest))  # the largest part of it, which nobody asks for here
    )
    aliases = session.scalars(select(ModelAlias).where(ModelAlias.model_id == model.id))
    return ModelDetail(
        model=model,
        versions=list(versions),
        aliases={row.alias: row.version for row in aliases},
    )


def model_page(
    session: Session, *, limit: int = 20, after: str | None = None, tenant: str = DEFAULT_TENANT
) -> Page[Model]:
    """The tenant's models, newest first."""
    return newest_first(session, Model, select(Model), tenant=tenant, limit=limit, after=after)


def briefs(session: Session, listed: Sequence[Model]) -> list[ModelBrief]:
    """These models with the numbers of their versions and aliases, in a few queries for all."""
    ids = [model.id for model in listed]
    versions = {
        model_id: (count, latest)
        for model_id, count, latest in session.execute(
            select(ModelVersion.model_id, func.count(), func.max(ModelVersion.version))
            .where(ModelVersion.model_id.in_(ids))
            .group_by(ModelVersion.model_id)
        )
    }
    ordered = (ModelAlias.alias != PRODUCTION, ModelAlias.alias)
    numbered = (
        select(
            ModelAlias.model_id,
            ModelAlias.alias,
            ModelAlias.version,
            func.row_number()
            .over(partition_by=ModelAlias.model_id, order_by=ordered)
            .label("place"),
            func.count().over(partition_by=ModelAlias.model_id).label("total"),
        )
        .where(ModelAlias.model_id.in_(ids))
        .subquery()
    )
    aliases: dict[str, dict[str, int]] = {model_id: {} for model_id in ids}
    counts: dict[str, int] = {}
    for alias in session.execute(
        select(numbered).where(numbered.c.place <= ALIASES_LISTED).order_by(numbered.c.place)
    ):
        aliases[alias.model_id][alias.alias] = alias.version
        counts[alias.model_id] = alias.total
    return [
        ModelBrief(
            model=model,
            versions=versions.get(model.id, (0, None))[0],
            latest=versions.get(model.id, (0, None))[1],
            aliases=aliases[model.id],
            aliases_count=counts.get(model.id, 0),
        )
        for model in listed
    ]


def resolve(
    session: Session,
    name: str,
    version: int | str | None = None,
    *,
    tenant: str = DEFAULT_TENANT,
) -> ModelVersion:
    """The version that a number or an alias means; without one ``production``, else the newest.

    Raises ``NotFoundError`` for an unknown model, version or alias.
    """
    model = find_model(session, name, tenant=tenant)
    number: int | None
    if isinstance(version, int):
        number = version
    elif version is not None and version.isdecimal():
        number = int(version)
    else:
        number = session.scalar(
            select(ModelAlias.version).where(
                ModelAlias.model_id == model.id, ModelAlias.alias == (version or PRODUCTION)
            )
        )
        if number is None and version is None:
            number = session.scalar(
                select(func.max(ModelVersion.version)).where(ModelVersion.model_id == model.id)
            )
    row = None if number is None else session.get(ModelVersion, (model.id, number))
    if row is None:
        raise no_version(name, version)
    return row


def origin(session: Session, version: ModelVersion) -> Origin:
    """Where a version comes from, whether its job is still there or not."""
    kept = version.manifest.get(ORIGIN)
    if kept is not None:
        return Origin.model_validate(kept)
    trial = session.get_one(TrialRow, version.trial_id)
    understood = session.scalar(select(Job.understood).where(Job.id == version.job_id))
    return Origin(
        id=trial.id,
        settings=trial.settings,
        metrics=trial.metrics,
        report=trial.report,
        understood=understood,
    )


def division(session: Session, version: ModelVersion) -> tuple[Json | None, str | Json | None]:
    """How the rows that a version was trained on were divided, and of which data set they are.

    Versions of earlier releases did not keep it: of them it is none once their job is gone.
    """
    if SPLIT in version.manifest:
        return version.manifest[SPLIT], version.manifest[DATASET]
    spec = session.scalar(select(Job.spec).where(Job.id == version.job_id))
    return (None, None) if spec is None else (spec.get(SPLIT), spec.get(DATASET))


def set_alias(
    session: Session, name: str, alias: str, version: int, *, tenant: str = DEFAULT_TENANT
) -> ModelAlias:
    """Point an alias at a version that exists."""
    find_model(session, name, tenant=tenant, lock=True)  # so that it is not deleted meanwhile
    row = resolve(session, name, version, tenant=tenant)
    session.execute(
        _insert(session, ModelAlias)
        .values(model_id=row.model_id, alias=alias, tenant=row.tenant, version=row.version)
        .on_conflict_do_update(
            index_elements=[ModelAlias.model_id, ModelAlias.alias],
            set_={ModelAlias.version: row.version},
        )
    )
    mark_changed(session, row.model_id)
    return session.get_one(ModelAlias, (row.model_id, alias), populate_existing=True)


def set_unloaded(
    session: Session, name: str, unloaded: bool, *, tenant: str = DEFAULT_TENANT
) -> None:
    """Take a model out of service in all processes, or put it back; all are told in any case.

    Raises ``NotFoundError`` for an unknown model.
    """
    model = find_model(session, name, tenant=tenant)
    model.unloaded = unloaded
    session.flush()
    mark_changed(session, model.id)


def _insert(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An insert that may say what happens when the row is there: both databases know it."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
