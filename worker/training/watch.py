"""What is watched of each trial at the end of an epoch: is it better, should it stop."""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.networks import Network, stacks
from worker.regularization import Regularization
from worker.regularization.families.stopping import Patience, Stopping


class Watch:
    """Stopping for K trials, with the best weights of those that want them back."""

    def __init__(
        self, regularizations: Sequence[Regularization], network: Network, w: Tensor
    ) -> None:
        self._found = [
            (technique, stack, Patience(*self._fresh(w)))
            for technique, stack in stacks(Stopping, regularizations, w.device).items()
        ]
        self.restores = torch.zeros(len(w), dtype=torch.bool, device=w.device)
        for technique, stack, _ in self._found:
            self.restores |= technique.restores(stack)
        self._keeps = bool(self.restores.any())
        parameters = dict(network.named_parameters())
        self._live = {n: t for n, t in network.state_dict().items() if n not in parameters}
        self._live["weights"] = w
        self._best = {n: t.clone() for n, t in self._live.items()} if self._keeps else {}
        self.best_epoch = torch.zeros(len(w), dtype=torch.int64, device=w.device)

    @staticmethod
    def _fresh(w: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(w[:, 0], float("inf")), torch.zeros_like(w[:, 0])

    def judge(self, value: Tensor, epoch: int) -> Tensor:
        """Take in the watched loss ``[K]`` of an epoch; give which trials stop, ``[K]`` bool."""
        stop = torch.zeros_like(self.restores)
        better = torch.ones_like(self.restores)
        for technique, stack, patience in self._found:
            improved, done = technique.judge(value.float(), patience, stack)
            better &= improved | ~stack.on()
            stop |= done
        keep = better | ~self.restores
        self.best_epoch[keep] = epoch
        for name, best in self._best.items():
            best[keep] = self._live[name][keep]
        return stop

    def kept(self) -> dict[str, Tensor]:
        """The weights (``weights`` ``[K, P]``) and buffers that each trial ends with."""
        return self._best if self._keeps else self._live

    def memory(self) -> dict[str, Tensor]:
        """What is remembered between epochs, one row a trial."""
        found = {f"best.{name}": tensor for name, tensor in self._best.items()}
        found["best_epoch"] = self.best_epoch
        for number, (_, _, patience) in enumerate(self._found):
            found[f"patience.{number}.best"] = patience.best
            found[f"patience.{number}.since"] = patience.since
        return found
