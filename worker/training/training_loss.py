"""The data loss that is trained on: with changed targets, weighted rows and augmentations."""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.networks import DenseChain, Network
from worker.regularization import Batch, Classes, RandomStreams, Regularization, stacks, widened
from worker.regularization.families import Attack, BatchTechnique, OutputPenalties, OutputPenalty
from worker.training.fleet_data import FleetData, TrialRows


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
        by_hand = not (self._differentiates_rows or self._lowered)
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
        found = self._data.gather(rows)
        batch = Batch(found.x, found.y, self._classes, found.weights)
        for technique, numbers, random in self._techniques:
            batch = technique.alter(batch, numbers, random)
        if self._chain is not None:
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

    @torch.no_grad()
    def _by_hand(
        self, chain: DenseChain, batch: Batch, found: TrialRows
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """The same without autograd, where the network can do that."""
        scores = found.scored(chain.forward(self._network.enter(batch.x)))
        slope = self._slope(scores, batch.y).div_(scores.shape[1])
        if batch.weights is not None:
            slope *= batch.weights.unsqueeze(2)
        loss = self._mean(self._loss(scores, batch.y), batch)
        if self._output:
            loss = loss + self._output.by_hand(scores, slope)
        return loss, chain.backward(slope)

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
