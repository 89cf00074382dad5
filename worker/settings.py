"""The service's settings: each is an environment variable, ``PARSIMONY_`` and its name."""

import errno
import hashlib
import json
import os
import resource
import stat
import tempfile
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from worker.errors import UnavailableError
from worker.shares import ShareSettings
from worker.webhook_target import TargetPolicy

LONGEST_SOCKET_PATH = 100
"""Bytes. The kernel's ``sockaddr_un`` holds 108 on Linux and 104 on macOS, with a final zero."""

Rate = Annotated[str, Field(pattern=r"^(off|[1-9][0-9]{0,8}/(second|minute|hour|day))$")]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0, allow_inf_nan=False)]


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _default_state() -> Path:
    return Path(platformdirs.user_data_dir("parsimony", appauthor=False))


def _default_connections() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1_000
    return most if descriptors == resource.RLIM_INFINITY else max(16, min(most, descriptors // 2))


def _default_threads(done: Mapping[str, Any]) -> int:
    return max(1, processors() // int(done["workers"]))


def _default_database(done: Mapping[str, Any]) -> str:
    return f"sqlite:///{done['state']}/parsimony.db"


def _default_artefacts(done: Mapping[str, Any]) -> str:
    return f"{done['state']}/artefacts"


def _default_models_bytes(done: Mapping[str, Any]) -> int:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min(2**30, machine // 4 // int(done["processes"])))


def _default_upload_memory(done: Mapping[str, Any]) -> int:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(2**26, min(2**32, machine // 2 // int(done["processes"])))


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


class ServiceSettings(ShareSettings):
    """How one installation runs. The defaults need nothing beside this package."""

    model_config = SettingsConfigDict(
        env_prefix="PARSIMONY_", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    state: Path = Field(default_factory=_default_state)
    """Folder of everything that must survive a restart; created with mode 0700."""
    host: str = "127.0.0.1"
    """Address that the HTTP service listens on."""
    keys: Literal["auto", "required"] = "auto"
    """Whether the HTTP service asks for keys: `auto` does unless it listens on a loopback address;
    `required` there too, as behind a proxy on the same machine. `parsimony keys create` makes
    one."""
    first_key: SecretStr | None = None
    """A key that `parsimony keys generate` has written. When the HTTP service starts it becomes a
    key of the tenant `default` with all scopes, unless it is known: how containers get their first
    one. Once revoked it stays so."""
    key_outage_seconds: Seconds = 300.0
    """How long keys stay good while the database that knows them is out of reach."""
    rate_limit: Rate | None = None
    """Requests that a key may send, predictions apart, such as `20/second` or `1200/minute`; `off`
    for any number. Unless given: 1200/minute where keys are asked for, else any number."""
    predict_rate_limit: Rate | None = None
    """Predictions that a key may ask for, whatever they hold. Unless given: 60000/minute where keys
    are asked for, else any number."""
    open_metrics: bool = False
    """Whether `/metrics` needs no key, as where the network lets only Prometheus reach it. It tells
    the names of all tenants' models then."""
    docs: bool = True
    """Whether the service shows its documentation: `/docs`, `/redoc`, `/openapi.json` and
    `/guide`."""
    hosts: str = ""
    """Names of this machine, with commas between, that the header Host may have where no key is
    asked for; beside localhost and loopback addresses."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    """TCP port that the HTTP service listens on; 0 for any free one."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Fleets trained at the same time by one worker process."""
    threads: int = Field(ge=1, le=1024, default_factory=_default_threads)
    """Most CPU threads of a trainer; the processors divided by `workers` unless given. Small fleets
    take one. Final weights are repeatable to the bit only for the same number. Predictions are
    computed with as many, divided among the `processes`."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """Where fleets train: `cpu`, `cuda`, `cuda:1`; `auto` takes the first GPU that there is."""
    fleet_memory: Annotated[int, Field(ge=1)] | None = None
    """Bytes that the tensors of one fleet may take beside its encoded data; a job that needs more
    is cut into several fleets. Unless given: half of the GPU's memory, or on the CPU 1 GiB but no
    more than a quarter of the machine's; divided by `workers`."""
    fleet_trials: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Trials of a search that train together at most. Unless given: 256 on a CPU, 4,096 on a
    GPU."""
    database_url: str = Field(default_factory=_default_database)
    """SQLAlchemy URL of the database, `sqlite:///…` or `postgresql+psycopg://…`."""
    migration_seconds: Annotated[float, Field(ge=0.0, le=86_400.0, allow_inf_nan=False)] = 60.0
    """How long a start waits for `parsimony migrate`, where the database is PostgreSQL and has not
    the schema of this release; then it ends with a line. SQLite is migrated by whoever opens it."""
    redis_url: str | None = None
    """URL of the Redis that carries wake-up calls, `redis://…`, `rediss://…`, `unix://…`, or
    `sentinel://a:26379;sentinel://b:26379/0?master_name=…` (`mymaster` unless given). Without it a
    private server on a unix socket is started and stopped with the service."""
    celery_remote_control: bool = False
    """Whether workers answer `celery inspect` and `celery control`, and send events for `celery
    events` and Flower. Then whoever reaches the Redis can also stop workers."""
    artefacts_url: str = Field(default_factory=_default_artefacts)
    """Folder or fsspec URL of data sets, checkpoints and models."""
    lease_seconds: Seconds = 15.0
    """A fleet is taken back from its worker when no heartbeat was observed for this long."""
    heartbeat_seconds: Seconds = 1.0
    """Interval of the heartbeats of a running fleet; a cancellation or pause is noticed as soon."""
    stall_seconds: Seconds = 300.0
    """A trainer that makes no step for this long is taken for hung and is killed."""
    stop_seconds: Seconds = 10.0
    """Time that a trainer is given to write a checkpoint and end, before it is killed."""
    ring_after_seconds: Seconds = 5.0
    """A queued fleet that nobody claimed is announced again after this long."""
    retry_seconds: Annotated[float, Field(ge=0.0, le=86_400.0, allow_inf_nan=False)] = 1.0
    """Pause before the third attempt of a fleet whose trainers die, growing with each further one;
    the second attempt follows at once."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """A fleet fails after this many attempts that died by themselves and brought no new checkpoint.
    Faults of the place (files, database, network) do not count, nor do lost workers, unless one is
    lost with this fleet alone as often, while others train."""
    checkpoint_seconds: Annotated[float, Field(ge=0.0, le=86_400.0, allow_inf_nan=False)] = 5.0
    """Least time between two checkpoints of a fleet; 0 writes one after every epoch, or as fast as
    the disk takes them, by a process of its own beside the trainer."""
    max_connections: int = Field(ge=16, le=1_000_000, default_factory=_default_connections)
    """Open connections of the HTTP service. For one more, the one that has waited longest for a
    request is closed; while all have a request, a new one is answered by 503. Unless given: half of
    the file descriptors that the process may have, and no more than 1,000; the rest is for files
    and the database."""
    header_seconds: Seconds = 10.0
    """A request's headers must be here this long after its first byte, and its first byte this long
    after the connection. Slower clients are closed, since each holds a connection."""
    body_seconds: Seconds = 20.0
    """A body must bring 500 bytes a second, counted over this long, and an answer be read as fast.
    Time in which the service does not read is not counted."""
    idle_seconds: Seconds = 65.0
    """A connection that has been answered is closed after this long without a request; more than
    the 60 s after which most load balancers close theirs, so that they never use a closed one."""
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that answer HTTP requests, on one port. Each has its own event loop, connections
    and loaded models; `threads` are divided among them."""
    models_bytes: int = Field(ge=1, default_factory=_default_models_bytes)
    """Bytes that the models loaded by one HTTP process may take; of more, those that were used
    longest ago are given up, and loaded again when they are asked for. The newest stays, whatever
    it weighs. Unless given: 1 GiB, room for some hundred networks of a million weights, but no
    more than a quarter of the machine's memory for all processes together."""
    invocations_model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The model that answers `POST /invocations`: its name, or its name, a slash, and a version's
    number or an alias. Unless given: the one that the request's header names, or the only one that
    there is."""
    drain_seconds: Annotated[float, Field(ge=0.0, le=3_600.0, allow_inf_nan=False)] = 2.0
    """After SIGTERM the HTTP service is not ready, but answers for this long before its port
    closes: longer than load balancers take to notice and to send requests elsewhere, 5 under
    Kubernetes. Ctrl-C, or a second SIGTERM, ends it without."""
    webhooks: str = ""
    """Hosts that may be told of the ends of jobs, with commas between: names, `*.example.com` for
    all names below one, or `*` for any. Unless given, webhooks are off. Addresses that are not
    public are never connected to."""
    webhook_ports: Annotated[str, Field(pattern=r"^[0-9]{1,5}(,[0-9]{1,5})*$")] = "443"
    """Ports of them, with commas between."""
    webhook_loopback: bool = False
    """Whether this machine itself may be told, over http as well, on any port: for trials."""
    max_upload_bytes: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024
    """Largest data set that may be uploaded."""
    upload_memory: int = Field(ge=2**26, default_factory=_default_upload_memory)
    """Bytes of memory that the processes which read uploads may take together, those of one HTTP
    process; each has its part by the size of its file, and uploads wait for theirs. Unless given:
    4 GiB, but no more than half of the machine's memory for all processes together."""
    encoded_bytes: Annotated[int, Field(ge=0)] = 8 * 1024**3
    """Bytes in the state folder of each machine that encoded rows of data sets may take: its
    trainers share them in memory, and the next job on the same rows finds them. Of more, those that
    were used longest ago are removed. 0 keeps none, and each trainer encodes into memory of its
    own, as all do where the disk has not twice as much left."""
    encoded_from_bytes: Annotated[int, Field(ge=0)] = 32 * 1024**2
    """A table of more bytes is read by its trainers column by column, and encoded rows of more
    bytes are kept as `encoded_bytes` says. Smaller ones are read and encoded in memory."""
    max_job_trials: Annotated[int, Field(ge=1)] = 100_000
    """Most trials of a job: configurations × repeats × folds. Each takes about 5 kB of the
    database, and a report reads them all. A search that only a budget of time ends may have any
    number."""
    max_job_rows: Annotated[int, Field(ge=1)] = 20_000_000
    """Most rows × folds of a job: each fold is a copy of the data, encoded anew."""
    max_job_parameters: Annotated[int, Field(ge=1)] = 500_000_000
    """Most trainable parameters of a network: its model is a file of four bytes each, which the
    service has to read as a whole to predict with it."""
    max_job_steps: Annotated[int, Field(ge=1)] = 1_000_000_000
    """Most training steps of a job: epochs × batches × trials, or with a solver epochs × iterations
    × trials. The smallest networks take about 25 µs a step and trial, so this is 7 hours at the
    least on one core."""
    max_job_bytes: Annotated[int, Field(ge=1)] | None = None
    """Most bytes that `estimate.bytes` of a job may be: what one fleet holds in memory. Unless
    given: three quarters of the memory of the GPU, or of the machine, divided by `workers`. To be
    given where workers run on another machine than the HTTP service."""
    max_job_seconds: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 7 * 86_400.0
    """Most seconds that a job may take by estimate, or by its search's budget: a job of more than a
    week is rather a mistake in a factor, and others wait behind it. Not read where workers have a
    GPU, whose pace is not known beforehand."""
    keep_jobs_days: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    """Ended jobs and predictions are deleted this many days after their end. The models that they
    made stay. Unless given, they stay until they are deleted by a request."""
    keep_events_days: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    """The log of a job is deleted this many days after its end. Unless given, it stays as long as
    the job."""
    keep_keys_days: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 7.0
    """A request that is sent again with its `Idempotency-Key` is recognized for this many days."""
    keep_audit_days: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 365.0
    """Lines of the audit, which say who did what, are kept for this many days."""
    orphan_hours: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 24.0
    """`parsimony gc` removes files of which the database knows nothing once they are this old: they
    are written before they are recorded."""
    log_bytes: Annotated[int, Field(ge=4096)] = 10 * 1024 * 1024
    """A log file in the state folder that is larger is set aside; two earlier ones are kept."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log lines that are written. `debug` has a line for each request."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """Form of the log lines of all processes: `text` for people, `json` for machines; `auto` takes
    `text` on a terminal and `json` elsewhere, as in `worker.log`."""

    @field_validator("state", mode="after")
    @classmethod
    def state_is_absolute(cls, state: Path) -> Path:
        """Resolve the folder, so that child processes with another working folder find it."""
        return state.expanduser().absolute()

    @field_validator("redis_url", mode="after")
    @classmethod
    def redis_is_no_cluster(cls, url: str | None) -> str | None:
        """Refuse what Celery has no transport for."""
        if not url:
            return None
        scheme = url.partition("://")[0]
        if scheme not in ("redis", "rediss", "sentinel", "unix"):
            raise ValueError(
                f"redis_url: {scheme}:// is not supported; give redis://, rediss://, sentinel:// "
                "or unix:// (Celery knows no Redis Cluster: use Sentinel or one primary)"
            )
        return url

    @model_validator(mode="after")
    def heartbeats_fit_the_lease(self) -> Self:
        """Refuse a lease that a healthy worker could lose between two heartbeats."""
        if self.lease_seconds < 3 * self.heartbeat_seconds:
            raise ValueError("lease_seconds must be at least three times heartbeat_seconds")
        return self

    @property
    def serving_threads(self) -> int:
        """Threads that one HTTP process computes with, beside the one that reads and writes: where
        they take all processors, answers and refusals wait for one.
        """
        return max(1, self.threads // self.processes - 1)

    @property
    def is_local(self) -> bool:
        """Whether the HTTP service listens where this machine alone reaches it."""
        if self.host.startswith(("/", "unix:")):
            return True
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def needs_keys(self) -> bool:
        """Whether requests need a key."""
        return self.keys == "required" or not self.is_local

    @property
    def rates(self) -> str | None:
        """How often a key may ask; None for any number."""
        return self._rate(self.rate_limit, "1200/minute")

    @property
    def predict_rates(self) -> str | None:
        """How often a key may ask for a prediction; None for any number."""
        return self._rate(self.predict_rate_limit, "60000/minute")

    def _rate(self, given: str | None, usual: str) -> str | None:
        rate = given or (usual if self.needs_keys else "off")
        return None if rate == "off" else rate

    @property
    def shares_rates(self) -> bool:
        """Whether several processes answer, here or on other machines."""
        return self.processes > 1 or not self.embedded_redis

    @property
    def host_names(self) -> frozenset[str]:
        """The names of ``hosts``, in lower case."""
        return frozenset(name.strip().lower() for name in self.hosts.split(",") if name.strip())

    @property
    def webhook_policy(self) -> TargetPolicy:
        """Where webhooks may be sent."""
        hosts = (name.strip().lower() for name in self.webhooks.split(","))
        ports = frozenset(int(port) for port in self.webhook_ports.split(","))
        return TargetPolicy(tuple(filter(None, hosts)), ports, self.webhook_loopback)

    @property
    def embedded_redis(self) -> bool:
        """Whether the private Redis is used."""
        return self.redis_url is None

    @property
    def redis_socket(self) -> Path:
        """Unix socket of the embedded Redis; outside the state folder when its path is too long."""
        socket = self.state / "redis" / "redis.sock"
        if len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH:
            return socket
        name = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"parsimony-{os.getuid()}-{name}" / "redis.sock"

    @property
    def redis(self) -> str:
        """URL of the Redis in use, as redis-py reads it."""
        return self.redis_url or f"unix://{self.redis_socket}"

    def prepare_state(self) -> Path:
        """Create the state folder, readable by its owner alone, and return it.

        Raises:
            UnavailableError: it cannot be made or written, or others may write into it: what lies
                there is trusted.
        """
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            about = self.state.stat()
            writable = os.access(self.state, os.W_OK | os.X_OK)
            reason = "" if writable else os.strerror(errno.EACCES)
        except OSError as error:
            reason = error.strerror or str(error)
        if reason:
            raise UnavailableError(
                f"the state folder {self.state} cannot be written: {reason}; choose another by "
                "--state or PARSIMONY_STATE"
            )
        others = stat.S_IWOTH | (0 if about.st_gid == os.getegid() else stat.S_IWGRP)
        if about.st_mode & others or about.st_uid not in (os.geteuid(), 0):
            raise UnavailableError(
                f"the state folder {self.state} can be written by other users: make it your own "
                f"(chmod 700), or give another one by PARSIMONY_STATE",
                code="state_not_private",
            )
        return self.state

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for child processes, without secrets."""
        values = self.model_dump(mode="json", exclude_none=True, exclude={"first_key"})
        return {f"PARSIMONY_{name.upper()}": _as_text(value) for name, value in values.items()}
