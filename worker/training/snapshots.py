"""Snapshot ensembles: several members of one trial, answering as their mean."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from worker.models import mean_scores
from worker.networks import Network, Parameters
from worker.regularization import Regularization
from worker.spec import TaskKind, Trial
from worker.training.schedules import snapshot_slot

Build = Callable[[Sequence[Regularization]], Network]
"""Builds a network with one trial for each of these, in the fleet's structure."""


class Snapshots:
    """The members of K trials: ``[K, M, …]``, of which ``count[k]`` are taken; 0 without one.

    They answer through a network whose trials are the members.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        fleet: Sequence[Trial],
        task: TaskKind,
        served: dict[str, Tensor],
        build: Build,
    ) -> None:
        self._task, self._served, self._trials = task, dict(served), len(trials)
        device = served["weights"].device
        asked = [trial.regularization.snapshot_ensemble for trial in trials]
        rows = [row for row, settings in enumerate(asked) if settings is not None]
        self._epochs = trials[0].training.epochs
        kinds = [
            (trial.training.schedule, settings.members)
            for trial, settings in zip(trials, asked, strict=True)
            if settings is not None
        ]
        self._kinds = list(dict.fromkeys(kinds))
        kind = [self._kinds.index(kind) for kind in kinds]
        self._kind = torch.tensor(kind, dtype=torch.int64, device=device)
        self._rows = torch.tensor(rows, dtype=torch.int64, device=device)
        sizes = [t.regularization.snapshot_ensemble for t in fleet]
        self.size = max((s.members for s in sizes if s is not None), default=0)
        self.tensors: dict[str, Tensor] = {}
        if self.size:
            self.tensors = {
                f"members.{name}": torch.zeros(
                    len(trials), self.size, *tensor.shape[1:], dtype=tensor.dtype, device=device
                )
                for name, tensor in served.items()
            }
            self.tensors["members.count"] = torch.zeros(
                len(trials), dtype=torch.int64, device=device
            )
        if rows:
            members = [trials[row].regularization for row in rows for _ in range(self.size)]
            self._network = build(members).to(device).requires_grad_(False).eval()
            self._parameters = Parameters(self._network)

    def __bool__(self) -> bool:
        """Whether any trial is an ensemble."""
        return len(self._rows) > 0

    def take(self, epoch: int) -> None:
        """Keep what an epoch, counted from 0, ended with as its cycle's member."""
        if not self:
            return
        slots = [snapshot_slot(*kind, epoch, self._epochs) for kind in self._kinds]
        slot = torch.tensor(slots, device=self._rows.device)[self._kind]
        for name, tensor in self._served.items():
            self.tensors[f"members.{name}"][self._rows, slot] = tensor[self._rows]
        self.tensors["members.count"][self._rows] = slot + 1
        self.load()

    def load(self) -> None:
        """Put the members into the network that answers for them."""
        if not self:
            return
        self._parameters.values.copy_(self._members("weights"))
        for name, tensor in self._network.state_dict().items():
            if name in self._served:
                tensor.copy_(self._members(name))

    def _members(self, name: str) -> Tensor:
        return self.tensors[f"members.{name}"][self._rows].flatten(0, 1)

    def counts(self) -> list[int]:
        """How many members each trial has; 0 for one that is a single network."""
        if not self:
            return [0] * self._trials
        return [int(count) for count in self.tensors["members.count"].tolist()]

    def merge(self, scores: Tensor, x: Tensor) -> Tensor:
        """Replace the ensembles' scores ``[K, B, O]`` by those of their members' mean."""
        if not self:
            return scores
        repeated = x[self._rows].repeat_interleave(self.size, dim=0)
        members: Tensor = self._network(repeated)
        members = members.view(-1, self.size, *members.shape[1:])
        count = self.tensors["members.count"][self._rows]
        return scores.index_copy(0, self._rows, mean_scores(self._task, members, count))
