"""Monte Carlo dropout of an ensemble: each sample is the mean of all members, each thinned.

As of a single network (`stochastic`): the masks of a sample follow from the seed, its number and
the place in the network, and all rows and members meet the same ones. Members without dropout say
the same in every sample.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from worker.errors import SpecError
from worker.models.forward import Features, RowForward, RowNumbers
from worker.models.probabilities import weighted_mean
from worker.models.stochastic import GROUP_NUMBERS, share, switch_on
from worker.networks import JointNetwork, JointPart, Network, build_network
from worker.regularization import RandomStreams, derive_seed
from worker.regularization.families import DropoutLayer
from worker.spec import TaskKind


class JointStochasticForward:
    """Encoded rows → the scores of S thinned ensembles.

    Args:
        network: the members, in eval mode.
        weights: of each, which sum to 1.
        shape: of a row, the features of all encoders together.
        task: what is predicted.
        outputs: scores of a row.
        numbers: which inputs of each encoder are numbers.
        samples: S.
        seed: of the masks.

    Raises:
        SpecError: no member has dropout.
    """

    def __init__(
        self,
        network: JointNetwork,
        weights: Sequence[float],
        shape: tuple[int, ...],
        task: TaskKind,
        *,
        outputs: int,
        numbers: Sequence[int],
        samples: int,
        seed: int,
    ) -> None:
        if not any(isinstance(module, DropoutLayer) for module in network.modules()):
            raise SpecError(
                "No network of this ensemble was trained with dropout, so there is nothing to be "
                "sampled; leave mc_samples out.",
                code="no_dropout",
                param="mc_samples",
            )
        self._network, self._task, self._outputs = network, task, outputs
        self._weights, self._numbers = np.array(weights), numbers
        self._own = (shape[0] // network.encoders, *shape[1:])
        count = sum(parameter.numel() for parameter in network.parameters())
        size = max(1, GROUP_NUMBERS // max(count, 1))
        seeds = [derive_seed(seed, "mc_samples", number) for number in range(samples)]
        self._passes: list[RowForward] = [
            # Row by row: what members make of several at once may depend on a row's place.
            RowForward(self._compute(seeds[first : first + size]), task, RowNumbers(1, 1), count)
            for first in range(0, samples, size)
        ]

    def __call__(self, features: Features) -> Features:
        """``[N, …]`` → ``[S, N, O]``."""
        parts = [one(features).reshape(len(features), -1, self._outputs) for one in self._passes]
        return np.ascontiguousarray(np.concatenate(parts, axis=1).transpose(1, 0, 2))

    def _compute(self, seeds: Sequence[int]) -> Any:
        drawn = [self._thinned(part, seeds) for part in self._network.parts]

        @torch.inference_mode()
        def compute(x: Tensor) -> list[Tensor]:
            given = self._network.of_parts(x)
            scores = []
            for part, own, (thinned, streams) in zip(
                self._network.parts, given, drawn, strict=True
            ):
                if streams is None:
                    plain = thinned(own)[None]
                    scores.append(plain.expand(len(seeds), *plain.shape[1:]))
                    continue
                streams.rewind()
                repeated = own.repeat(len(seeds), *[1] * (own.ndim - 1))
                thinned_scores = thinned(repeated)  # [G·M, B, O]
                scores.append(
                    thinned_scores.view(len(seeds), part.members, *thinned_scores.shape[1:])
                )
            together = torch.cat(scores, dim=1)  # [G, M, B, O]
            means = [
                weighted_mean(self._task, self._network.in_units(one).numpy(), self._weights)
                for one in together
            ]
            return [torch.from_numpy(np.concatenate(means, axis=1))]

        return compute

    def _thinned(
        self, part: JointPart, seeds: Sequence[int]
    ) -> tuple[Network | nn.Module, RandomStreams | None]:
        """The part with dropout on, for each of the seeds; as it is where it has none."""
        if not any(isinstance(module, DropoutLayer) for module in part.network.modules()):
            return part.network, None
        streams = RandomStreams([seed for seed in seeds for _ in range(part.members)])
        thinned = build_network(
            part.spec,
            self._own,
            self._outputs,
            part.regularizations * len(seeds),
            streams=streams,
            numbers=self._numbers,
        )
        share(part.network, thinned, len(seeds))
        switch_on(thinned)
        streams.start_epoch(0, steps=1, rows=1)
        return thinned, streams
