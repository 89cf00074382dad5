"""The data loss that is trained on: with changed targets, weighted rows and augmentations."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from worker.networks import DenseChain, Network, quick
from worker.regularization import Batch, Classes, RandomStreams, Regularization, stacks, widened
from worker.regularization.families import Attack, BatchTechnique, OutputPenalties, OutputPenalty
from worker.training.fleet_data import FleetData, TrialRows


def ungraded() -> AbstractContextManager[object]:
    """``torch.no_grad()``, which takes 3 µs, unless nothing is written down for autograd anyhow."""
    return torch.no_grad() if torch.is_grad_enabled() else nullcontext()


class TrainingLoss:
    """The techniques of a fleet that act on a training batch, around its network.

    A batch passes the targets' techniques, then the augmentations, in the order of the vocabulary.
    Without any, the loss is that of the rows as they are, from class numbers.
    """

    def __init__(
        self,
        regularizations: Sequence[Regularization],
        network: Network,
        data: FleetData,
        streams: RandomStreams,
        precision: str = "float32",
    ) -> None:
        device = data.x.device
        self._lowered = precision == "bfloat16"
        self._network, self._data = network, data
        self._loss, self._slope = data.loss.value, data.loss.slope
        classes = Classes(data.classes, data.class_rows())
        self._classes = len(classes.names)
        self._techniques = [
            (technique, technique.numbers(stack, classes), streams.at(technique.__name__))
            for technique, stack in stacks(BatchTechnique, regularizations, device).items()
        ]
        self._attacks = [
            (technique, stack.numbers(lambda s: s.epsilon), stack.on()[:, None] / 2)
            for technique, stack in stacks(Attack, regularizations, device).items()
        ]
        self._output = OutputPenalties(
            stacks(OutputPenalty, regularizations, device), streams.at("output")
        )
        self._differentiates_rows = bool(self._attacks) or self._output.by_slope
        by_hand = not (self._output.by_slope or self._lowered)
        self._chain = network.by_hand() if by_hand else None
        self._parameters = tuple(network.parameters())
        weights = dict(network.named_parameters())
        self._averages = [t for n, t in network.state_dict().items() if n not in weights]

    @property
    def is_by_hand(self) -> bool:
        """Whether the network's own backpropagation is used; else autograd."""
        return self._chain is not None

    def __call__(self, rows: Tensor) -> Tensor:
        """The mean loss ``[K]`` of the data's rows ``[K, B]`` or ``[1, B]``, in training mode."""
        return self.differentiate(rows)[0]

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the strengths of output penalties that have a schedule."""
        self._output.start_epoch(epoch, epochs)

    def differentiate(self, rows: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The mean loss ``[K]`` of the data's rows ``[K, B]`` or ``[1, B]`` in training mode, and

        its gradient by each of the network's parameters, ``[K, …]``. Trials do not mix: row k of a
        gradient is trial k's own.
        """
        with quick():
            return self._differentiate(rows)

    def _differentiate(self, rows: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        found = self._data.gather(rows)
        batch = Batch(found.x, found.y, self._classes, found.weights)
        for technique, numbers, random in self._techniques:
            batch = technique.alter(batch, numbers, random)
        if self._chain is not None:
            with ungraded():
                return self._by_hand(self._chain, batch, found)
        x = batch.x.detach().requires_grad_() if self._differentiates_rows else batch.x
        scores = found.scored(self._scores(x))
        losses = self._loss(scores, batch.y)
        if self._attacks:
            losses = self._attacked(x, losses, batch, found)
        loss = self._mean(losses, batch)
        if self._output:
            loss = loss + self._output.value(x, scores)
        return loss.detach(), torch.autograd.grad(loss.sum(), self._parameters)

    def _by_hand(
        self, chain: DenseChain, batch: Batch, found: TrialRows
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """The same without autograd, where the network can do that."""
        if self._attacks:
            return self._attacked_by_hand(chain, batch, found)
        scores = found.scored(chain.forward(batch.x))
        slope = self._share(self._slope(scores, batch.y), batch)
        loss = self._mean(self._loss(scores, batch.y), batch)
        if self._output:
            loss = loss + self._output.by_hand(scores, slope)
        return loss, chain.backward(slope)

    def _attacked_by_hand(
        self, chain: DenseChain, batch: Batch, found: TrialRows
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """With attacks: the losses' mean over the rows as they are and as each attack makes them.

        One way back gives the gradient by the weights and that by the rows, unless rows are
        weighted or the answers penalized, of which an attack knows nothing.
        """
        scores = found.scored(chain.forward(batch.x))
        slope, losses = self._slope(scores, batch.y), self._loss(scores, batch.y)
        if apart := bool(self._output) or batch.weights is not None:
            chain.backward(slope)
            by_rows = chain.by_rows()
        slope, penalty = self._share(slope, batch), None
        if self._output:  # what follows takes a share of all gradients away
            own = torch.zeros_like(slope)
            penalty = self._output.by_hand(scores, own)
            for _, _, share in self._attacks:
                own /= 1 - share.unsqueeze(2)
            slope += own
        gradients = chain.backward(slope)
        by_rows = by_rows if apart else chain.by_rows()
        averages = [tensor.clone() for tensor in self._averages]
        for technique, epsilon, share in self._attacks:
            moved = technique.perturb(batch.x, by_rows, widened(epsilon, batch.x))
            scores = found.scored(chain.forward(moved))
            losses = torch.lerp(losses, self._loss(scores, batch.y), share)
            others = chain.backward(self._share(self._slope(scores, batch.y), batch))
            for gradient, other in zip(gradients, others, strict=True):
                gradient.lerp_(other, widened(share[:, 0], gradient))
        for tensor, before in zip(self._averages, averages, strict=True):
            tensor.copy_(before)
        loss = self._mean(losses, batch)
        return loss if penalty is None else loss + penalty, gradients

    @staticmethod
    def _share(slope: Tensor, batch: Batch) -> Tensor:
        """∂L/∂s of the mean over the rows, in place, from that of each row by itself."""
        slope.div_(slope.shape[1])
        return slope if batch.weights is None else slope.mul_(batch.weights.unsqueeze(2))

    @staticmethod
    def _mean(losses: Tensor, batch: Batch) -> Tensor:
        return (losses if batch.weights is None else losses * batch.weights).mean(1)

    def _scores(self, x: Tensor) -> Tensor:
        # Without a cache: it would keep copies of weights from before a CUDA graph's replay.
        with torch.autocast(
            x.device.type, torch.bfloat16, enabled=self._lowered, cache_enabled=False
        ):
            scores: Tensor = self._network(x)
        return scores.float()

    def _attacked(self, x: Tensor, clean: Tensor, batch: Batch, found: TrialRows) -> Tensor:
        """Losses ``[K, B]``: the mean over the rows as they are and as each attack makes them."""
        losses = clean
        (gradient,) = torch.autograd.grad(clean.sum(), x, retain_graph=True)
        averages = [tensor.clone() for tensor in self._averages]
        for technique, epsilon, share in self._attacks:
            attacked = technique.perturb(batch.x, gradient, widened(epsilon, batch.x))
            scores = found.scored(self._scores(attacked))
            losses = torch.lerp(losses, self._loss(scores, batch.y), share)
        for tensor, before in zip(self._averages, averages, strict=True):
            tensor.copy_(before)
        return losses
