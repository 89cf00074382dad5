"""What each tenant may have of the workers, and of the place: settings as records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Count = Annotated[int, Field(ge=0)]
Weight = Annotated[float, Field(gt=0.0, le=1_000_000.0, allow_inf_nan=False)]


class TenantOverrides(BaseModel):
    """What one tenant has other than all others; what is left out is as theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weight: Weight | None = None
    """Its share of the workers, relative to others'."""
    running_fleets: Annotated[int, Field(ge=1)] | None = None
    """Most fleets that train for it at a time."""
    queued_jobs: Count | None = None
    """Most jobs of it that wait for a worker."""
    datasets: Count | None = None
    """Most data sets that it keeps."""
    stored_bytes: Count | None = None
    """Most bytes of its files."""


@dataclass(frozen=True)
class TenantLimits:
    """What one tenant may have."""

    weight: float = 1.0
    running_fleets: int | None = None
    """None: as many as there is room for."""
    queued_jobs: int | None = None
    datasets: int | None = None
    stored_bytes: int | None = None


@dataclass(frozen=True)
class Shares:
    """What every tenant may have."""

    usual: TenantLimits = field(default_factory=TenantLimits)
    others: Mapping[str, TenantOverrides] = field(default_factory=dict)
    """Tenants that have something else."""
    quantum_seconds: float = 60.0
    """How long a fleet trains before it yields to one whose turn it is."""

    def of(self, tenant: str) -> TenantLimits:
        """What a tenant may have."""
        other = self.others.get(tenant)
        if other is None:
            return self.usual
        return TenantLimits(**(vars(self.usual) | other.model_dump(exclude_none=True)))


EQUAL = Shares()
"""Nobody has more than others, and nothing is bounded."""


class ShareSettings(BaseSettings):
    """The settings by which tenants share workers and place."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    quantum_seconds: Annotated[float, Field(gt=0.0, le=86_400.0, allow_inf_nan=False)] = 60.0
    """A fleet that has trained for this long makes room for one whose turn it is: of a tenant that
    has less of the workers, or a shorter or more urgent one of its own. It goes on later, from the
    same step."""
    tenant_running_fleets: Annotated[int, Field(ge=1)] | None = None
    """Most fleets that train for one tenant at a time. Unless given, as many as there is room for:
    tenants that wait have their turn all the same."""
    tenant_queued_jobs: Annotated[int, Field(ge=0)] = 10_000
    """Most jobs and predictions of one tenant that wait for a worker."""
    tenant_datasets: Annotated[int, Field(ge=0)] = 10_000
    """Most data sets that one tenant keeps."""
    tenant_stored_bytes: Annotated[int, Field(ge=0)] = 2**40
    """Most bytes that one tenant keeps: data sets as they are read and as they were sent, results
    of jobs, versions of models."""
    tenants: dict[str, TenantOverrides] = Field(default_factory=dict)
    """What single tenants have instead, as JSON: `{"acme": {"weight": 3, "running_fleets": 4}}`.
    `weight` is a share of the workers, 1 unless given; the others are named as the settings
    `tenant_…`, without that."""

    @property
    def shares(self) -> Shares:
        """What each tenant may have."""
        usual = TenantLimits(
            running_fleets=self.tenant_running_fleets,
            queued_jobs=self.tenant_queued_jobs,
            datasets=self.tenant_datasets,
            stored_bytes=self.tenant_stored_bytes,
        )
        return Shares(usual, self.tenants, self.quantum_seconds)
