"""What is watched of each trial at the end of an epoch: is it better, should it stop."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from worker.regularization import PerTrial, Regularization, stacks
from worker.regularization.families import Stopping, StoppingState


class _Watched:
    """The metric that each trial watches."""

    def __init__(self, stack: PerTrial[Any], device: torch.device) -> None:
        asked = [None if member is None else member.watched() for member in stack.members]
        self._distinct = [metric for metric in dict.fromkeys(asked) if metric is not None]
        numbers = [0 if metric is None else self._distinct.index(metric) for metric in asked]
        self._member = torch.tensor(numbers, device=device)[None]

    def value(self, metrics: dict[str, Tensor], finite: Tensor) -> Tensor:
        """``[K]``, less is better; +inf where the loss is not finite.

        Where a metric is not defined, nothing is better than the first such epoch; but R² of equal
        targets is in the order of the loss.
        """
        values = []
        for asked, more_is_better in self._distinct:
            name = asked if asked in metrics else counterpart(asked)
            metric = metrics[name].float()
            value = -metric if more_is_better else metric
            undefined = torch.full_like(value, torch.finfo(value.dtype).max)
            if name.endswith("_r2"):
                undefined = metrics[f"{name.removesuffix('_r2')}_loss"].float()
            values.append(torch.where(value.isnan(), undefined, value))
        chosen = torch.stack(values).gather(0, self._member)[0]
        return torch.where(finite, chosen, torch.inf)


def counterpart(name: str) -> str:
    """What is watched where there are no validation rows: the same of the training rows."""
    return "train_loss" if name == "gap" else name.replace("validation_", "train_")


class Watch:
    """Stopping for K trials, with the best weights of those that want them back.

    ``served`` are the tensors that each trial would be served with, kept up to date by others.
    """

    def __init__(
        self, regularizations: Sequence[Regularization], served: dict[str, Tensor], w: Tensor
    ) -> None:
        self._stoppings = [
            (technique, stack, _Watched(stack, w.device), StoppingState(*self._fresh(w)))
            for technique, stack in stacks(Stopping, regularizations, w.device).items()
        ]
        self.restores = torch.zeros(len(w), dtype=torch.bool, device=w.device)
        for technique, stack, _, _ in self._stoppings:
            self.restores |= technique.restores(stack)
        self._keeps = bool(self.restores.any())
        self._served = served
        self._best = {n: t.clone() for n, t in served.items()} if self._keeps else {}
        self.best_epoch = torch.zeros(len(w), dtype=torch.int64, device=w.device)

    @staticmethod
    def _fresh(w: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(w[:, 0], float("inf")), torch.zeros_like(w[:, 0])

    def judge(self, metrics: dict[str, Tensor], finite: Tensor, epoch: int) -> Tensor:
        """Take in an epoch's metrics, ``[K]`` each; give which trials stop, ``[K]`` bool."""
        stop = torch.zeros_like(self.restores)
        better = torch.ones_like(self.restores)
        for technique, stack, watched, patience in self._stoppings:
            improved, done = technique.judge(watched.value(metrics, finite), patience, stack)
            better &= improved | ~stack.on()
            stop |= done
        keep = better | ~self.restores
        self.best_epoch[keep] = epoch
        for name, best in self._best.items():
            best[keep] = self._served[name][keep]
        return stop

    def kept(self) -> dict[str, Tensor]:
        """The weights (``weights`` ``[K, P]``) and buffers that each trial ends with."""
        return self._best if self._keeps else self._served

    def memory(self) -> dict[str, Tensor]:
        """What is remembered between epochs, one row a trial."""
        memory = {f"best.{name}": tensor for name, tensor in self._best.items()}
        memory["best_epoch"] = self.best_epoch
        for number, (*_, patience) in enumerate(self._stoppings):
            memory[f"patience.{number}.best"] = patience.best
            memory[f"patience.{number}.since"] = patience.since
        return memory
