"""What the last bits of weights depend on, beside a trial's own settings."""

import platform
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict

from worker.networks import kernels


class Environment(BaseModel):
    """Where steps are computed, and by what."""

    model_config = ConfigDict(frozen=True)

    torch: str
    device: str
    """`cpu`, or the name of the GPU."""
    threads: int
    processor: str
    """The machine's kind, the instructions that torch uses of it, and the library that multiplies
    matrices where that is not torch's own."""

    @classmethod
    def of(cls, device: str) -> Self:
        """The environment of this process, training on a device such as `cuda:0`."""
        where = torch.device(device)
        processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
        if where.type == "cpu" and (library := kernels()) is not None:
            processor += f", products by {library}"
        return cls(
            torch=torch.__version__,
            device=torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
            threads=torch.get_num_threads(),
            processor=processor,
        )

    def differences(self, other: "Environment | None") -> str | None:
        """In what another one differs, as text; none where steps have the same bits in both."""
        if other is None:
            return "by an earlier release, which did not say where"
        pairs = zip(other, self, strict=True)
        found = [
            f"{name} {there}, not {here}" for (name, there), (_, here) in pairs if there != here
        ]
        return "; ".join(found) or None
