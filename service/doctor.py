"""What this machine offers, and whether it is fit: what ``parsimony doctor`` prints."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import redis
from sqlalchemy import make_url, text

from worker.errors import ParsimonyError
from worker.runtime.redis_server import find_redis
from worker.settings import ServiceSettings
from worker.storage.database import SAFE_SQLITE, Database, sqlite_module, sqlite_version

LEAST_PYTHON = (3, 11)
LEAST_REDIS = (6, 0)
LEAST_FREE_BYTES = 1024**3
PACKAGES = ("torch", "fastapi", "uvicorn", "celery", "redis", "sqlalchemy", "pydantic")
REDIS_REMEDY = "install redis or valkey with your package manager, or set PARSIMONY_REDIS_URL"


@dataclass(frozen=True)
class Examination:
    """One thing that was looked at. ``fit`` is none where there is nothing to judge."""

    what: str
    found: str
    fit: bool | None = None
    remedy: str = ""


def examinations(settings: ServiceSettings) -> Iterator[Examination]:
    """Look at everything that `parsimony up` needs; changes nothing."""
    yield examine_python(sys.version_info[:2])
    yield from examine_packages()
    yield examine_processors(settings)
    yield examine_gpus()
    yield examine_redis(settings)
    yield examine_database(settings)
    yield examine_state(settings)


def examine_python(running: tuple[int, ...]) -> Examination:
    """The interpreter."""
    fit = running >= LEAST_PYTHON
    remedy = "" if fit else f"install Python {dotted(LEAST_PYTHON)} or newer"
    description = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Examination("Python", description, fit, remedy)


def examine_packages() -> Iterator[Examination]:
    """This package and those that it rests on."""
    for name in ("parsimony", *PACKAGES):
        try:
            yield Examination(name, version(name), fit=True)
        except PackageNotFoundError:
            yield Examination(name, "not installed", fit=False, remedy=f"pip install {name}")


def examine_processors(settings: ServiceSettings) -> Examination:
    """CPU threads, and how trainers share them."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = f"{settings.threads} for each trainer, {settings.workers} at a time"
    return Examination("CPU threads", f"{usable}; {share}")


def examine_gpus() -> Examination:
    """The GPUs that torch can use. None is no fault."""
    import torch  # here, because it takes seconds and this examination alone needs it

    if not torch.cuda.is_available():
        return Examination("GPUs", "none that torch can use; training runs on the CPU")
    cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    named = [f"{card.name} ({card.total_memory / 2**30:.0f} GiB)" for card in cards]
    return Examination("GPUs", ", ".join(named))


def examine_redis(settings: ServiceSettings) -> Examination:
    """The Redis of the settings, or the program that would be started."""
    if not settings.embedded_redis and not settings.redis.startswith("sentinel://"):
        return _reachable_redis(settings.redis)
    if not settings.embedded_redis:
        return Examination("Redis", "by Sentinel; not examined")
    try:
        binary = find_redis()
    except ParsimonyError as error:
        return Examination("Redis", "none found", fit=False, remedy=error.message)
    fit = binary.version >= LEAST_REDIS
    remedy = "" if fit else f"{dotted(LEAST_REDIS)} or newer is needed: {REDIS_REMEDY}"
    description = f"{binary.name} {dotted(binary.version)} at {binary.path}"
    return Examination("Redis", description, fit, remedy)


def _reachable_redis(url: str) -> Examination:
    # What stands before the @ is a secret.
    shown = url.rpartition("@")[2]
    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            information = client.info("server")
    except (redis.RedisError, OSError, ValueError) as error:
        remedy = "start it, or correct PARSIMONY_REDIS_URL"
        return Examination("Redis", f"{shown}: {error}", fit=False, remedy=remedy)
    known = information if isinstance(information, dict) else {}
    return Examination("Redis", f"{known.get('redis_version', '?')} at {shown}", fit=True)


def examine_database(settings: ServiceSettings) -> Examination:
    """SQLite's version, or whether PostgreSQL answers."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        return examine_sqlite(sqlite_version(), sqlite_module().__name__)
    try:
        with closing(Database(settings.database_url)) as database, database.read() as session:
            version = session.scalar(text("select version()"))
    except ParsimonyError as error:
        remedy = "start it, or correct PARSIMONY_DATABASE_URL"
        return Examination("Database", error.message, fit=False, remedy=remedy)
    return Examination("Database", f"{version} at {url.host}", fit=True)


def examine_sqlite(found: tuple[int, ...], module: str) -> Examination:
    """Whether this SQLite may be trusted with several writers."""
    fit = found >= SAFE_SQLITE
    remedy = (
        ""
        if fit
        else f"{dotted(SAFE_SQLITE)} or newer is needed, earlier ones may corrupt a database "
        "in WAL mode: pip install pysqlite3, or set PARSIMONY_DATABASE_URL to PostgreSQL"
    )
    return Examination("SQLite", f"{dotted(found)} by {module}", fit, remedy)


def examine_state(settings: ServiceSettings) -> Examination:
    """Whether the state folder can be written and has room."""
    folder = settings.state
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        remedy = f"{nearest} cannot be written; choose another by --state"
        return Examination("State folder", str(folder), fit=False, remedy=remedy)
    free = shutil.disk_usage(nearest).free
    fit = free >= LEAST_FREE_BYTES
    remedy = "" if fit else "less than 1 GiB is free; choose another by --state"
    return Examination("State folder", f"{folder}, {free / 2**30:.0f} GiB free", fit, remedy)


def dotted(numbers: tuple[int, ...]) -> str:
    """A version as it is written."""
    return ".".join(map(str, numbers))
